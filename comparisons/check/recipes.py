"""A style put together from recipes: each recognises one sort of unit and knows how to call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from comparisons.case import Case
from comparisons.check.readings import best
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model

Free = dict[str, Callable[..., Any]]
"""Functions or classes of the file that belong to no unit yet, by name."""


@dataclass(frozen=True)
class Recipe:
    """One sort of unit.

    Attributes
    ----------
    find : callable
        `find(file, free)` gives the possible readings of each unit, the usual one first.
    model : callable
        `model(file, unit, case)` gives the unit behind the common door.
    refine : tuple of callable
        Each gives further readings of the best unit so far, in turn: so that not all combinations have to be tried.
    """

    find: Callable[[UserFile, Free], Iterable[Sequence[Unit]]]
    model: Callable[[UserFile, Unit, Case], Model]
    refine: tuple[Callable[[UserFile, Unit], Sequence[Unit]], ...] = ()


class Composed:
    """A style of several recipes, asked in order; a function may belong to units of several recipes.

    Parameters
    ----------
    name : str
    recipes : dict of str to Recipe
    """

    def __init__(self, name: str, recipes: dict[str, Recipe]) -> None:
        self.name, self.recipes = name, recipes

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """The best reading of every unit that a recipe recognises."""
        own: Free = {**file.functions(), **file.classes(), **file.statics()}
        free = {n: f for n, f in own.items() if not {n, n.partition(".")[0]} & taken}
        units = []
        for key, recipe in self.recipes.items():
            for readings in recipe.find(file, free):
                if readings:
                    marked = [replace(u, style=self.name, options=u.options | {"recipe": key}) for u in readings]
                    unit = self._best(file, recipe, marked)
                    units += [] if unit is None else [unit]
        return units

    def _best(self, file: UserFile, recipe: Recipe, readings: Sequence[Unit]) -> Unit | None:
        unit = best(file, self, readings, readings[0].options.get("tentative", ""))
        for further in recipe.refine:
            if unit is None:
                return None
            key = {"recipe": unit.options["recipe"]}
            more = [replace(u, style=self.name, options=u.options | key) for u in further(file, unit)]
            unit = best(file, self, [unit, *more])
        return unit

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The unit as its recipe calls it."""
        return Careful(self.recipes[unit.options["recipe"]].model(file, unit, case), unit)


class Careful:
    """A model whose failures to read what the code returned are the code's: it may return anything.

    Parameters
    ----------
    model : Model
    unit : Unit
    """

    def __init__(self, model: Model, unit: Unit) -> None:
        self._model, self._name, self.architecture = model, unit.name, model.architecture

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)

        def careful(*args: Any, **kwargs: Any) -> Any:
            try:
                return found(*args, **kwargs)
            except UserError:
                raise
            except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
                raise UserError(f"{self._name}: what it returns cannot be made sense of ({error})") from error

        return careful
