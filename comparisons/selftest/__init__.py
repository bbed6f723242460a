"""The checker checked: known mistakes must be found, located and named, and correct code must raise no alarm."""
