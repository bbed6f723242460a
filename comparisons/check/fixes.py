"""What to change: a suggestion for each cause that implies one.

A cause (see `comparisons.diagnosis`) says what the code did. Where that leaves but one thing to do, it is said in a few words.
"""

from __future__ import annotations

import re

_FIXES: tuple[tuple[str, str], ...] = (
    # An edit that was tried
    (r"with (`.+`) in place of (`.+`) it agrees", r"write \1 in place of \2"),
    (r"gradients are never reset", "set them to 0 before each backward()"),
    (r"(\S+) is bound to a new array, and the one that", r"change it in place, as \1[...] = ... does"),
    (r"^the look-ahead goes the wrong way", "flip the sign of the velocity in the look-ahead"),
    (r"^the look-ahead (\S+) is not used", r"calculate the gradients with \1"),
    (r"^the look-ahead .* times as far .*; the (factor \S+|learning rate) is missing", r"multiply the velocity by the \1 there"),
    (r"keepdims=True is missing", "sum with axis=1, keepdims=True"),
    # Scales
    (r"divided by m once too often", "divide by m once: drop one 1/m"),
    (r"the 1/m is missing", "divide by m, the number of examples"),
    (r"unbiased where biased is meant", "divide by m, not by m - 1"),
    (r"not divided by (keep_prob|the window's size|the number of pixels|k|T|m T)\b", r"divide by \1"),
    (r"multiplied instead of divided|multiplied by the .* instead of divided", "divide instead of multiplying"),
    (r"divided by (keep_prob|the window's size) twice", r"divide by \1 once"),
    (r"divided by (k|T|m T|the number of pixels|the number of positions)\b", r"do not divide by \1"),
    (r"exactly twice the reference", "drop a factor 2"),
    (r"exactly half of the reference", "multiply by 2"),
    (r"log(2|10) is used for the natural", "use np.log"),
    (r"^the gradient is .+ times that of the cost", "give the gradient the scale of the cost"),
    # Signs
    (r"sign is flipped|uphill|sign of the update is flipped", "flip the sign"),
    (r"^(.+) has the wrong sign", r"flip the sign of \1"),
    # Sums
    (r"summed over (?:everything|the features)", "sum over the examples alone: {axis}"),
    (r"not summed over the examples", "sum over the examples: {axis}"),
    (r"gradient of one use: (.+)\[(\S+)\] \+?= (.+) adds once", r"write \1.index_put_((\2,), \3, accumulate=True)"),
    (r"of a token that comes several times|a\[indices\] \+= ", "add with np.add.at, which counts an index as often as it comes"),
    (r"overwritten instead of accumulated|= for \+=|assigned, not accumulated", "accumulate: += in place of ="),
    (r"only the (?:last|first) (\w+) is counted", r"add up all of them, not only that \1"),
    (r"the sum is taken along the wrong axis|sum of exponentials is taken over the examples|softmax is taken over the examples",
     "sum over the classes of each example"),
    (r"is the sum over (?:examples|features)", "sum over the other axis"),
    # Activations
    (r"(\w+) is applied twice: the derivative is taken at a instead of z", r"give it z, or write the derivative in terms of a"),
    (r"the derivative is taken at z$", "give it a, or write the derivative in terms of z"),
    (r"^the derivative of the activation is left out", "multiply by the derivative of the activation"),
    (r"^the derivative of (\w+) once more", r"drop the derivative of \1: a - y holds it already"),
    (r"derivative of (.+) is left out on the way back", r"multiply by the derivative of \1"),
    (r"let through where the upstream gradient is positive|by the upstream gradient's sign", "ask whether z > 0, not whether the upstream gradient is"),
    (r"the sides of 0 are swapped", "swap the two sides of 0"),
    # Order and state
    (r"W was updated before dX was computed", "compute the gradient of the input before W moves"),
    (r"had been updated: .+ is a view", "take a copy of it: .copy()"),
    (r"calculated after (.+) had been updated", r"calculate it before \1 moves"),
    (r"elements are updated one after the other", "calculate the whole gradient before anything moves"),
    (r"another mask than in the forward pass", "keep the mask of the forward pass and use it again"),
    (r"mask is not applied in the backward pass", "multiply by the mask of the forward pass"),
    (r"neither mask nor scale", "multiply by the mask of the forward pass and divide by keep_prob"),
    (r"the mask is inverted", "keep the units whose mask is 1"),
    (r"scaled in evaluation, though dropout is inverted", "in evaluation hand the input on as it is"),
    (r"not multiplied by keep_prob in evaluation", "divide by keep_prob in training, or multiply by it in evaluation"),
    (r"dropout acts in evaluation", "in evaluation hand the input on as it is"),
    (r"batch's statistics are used in evaluation", "use running_mean and running_var in evaluation"),
    (r"the running average is not updated", "store the new running average"),
    (r"step counter is raised for every parameter", "raise it once a step, before the first parameter is updated"),
    (r"not kept from step to step", "store it for the next step"),
    (r"^Adam without bias correction(.*)$", r"divide the moments by 1 - beta^t"),
    (r"step counter is one too high", "count the first step as 1, not 2"),
    (r"step counter is one too low", "count the first step as 1, not 0"),
    (r"step counter is not used", "raise beta to the number of the step"),
    (r"^(.+) are swapped$", "swap them back"),
    (r"is transposed|^the transpose", "transpose it"),
    (r"not transposed", "transpose it"),
    (r"has (\w+) \S+, the reference (\S+): with the reference's value it agrees", r"set \1 to \2"),
    # Containers
    (r"the backward pass runs through the layers in the order of the forward pass", "go through the layers in reverse: reversed(layers)"),
    (r"the (forward|backward) pass leaves out (.+?)(?:;.*)?$", r"call \2 in the \1 pass too"),
    (r"the (forward|backward) pass runs through (.+) more than once", r"call \2 once in the \1 pass"),
    (r"the (forward|backward) pass runs through the layers as .+", r"call the layers in their order in the \1 pass"),
    (r"in the forward pass every layer is handed what the first one was given", "hand the result on: x = layer.forward(x)"),
    (r"in the backward pass every layer is handed what the first one was given", "hand the result on: grad = layer.backward(grad)"),
    (r"in the (?:forward|backward) pass (.+?) is handed .+?, not what .+? gave(?:;.*)?$", r"hand \1 the result of the layer before it"),
    (r"the backward pass begins with (?:the output|the targets), not with the gradient", "begin with the gradient of the loss with respect to the output"),
    (r"the gradient with which the backward pass begins is 0", "begin with the gradient of the loss with respect to the output"),
    (r"the loss is the (.+), but what goes back is", r"begin the backward pass with the gradient of the \1"),
    (r"the parameters are not updated: (.+)$", r"update \1 like the others"),
    (r"they are not set to 0 between batches", "set the gradients to 0 before each batch"),
    (r"the backward pass stands behind the loop", "go backward and update inside the loop"),
    (r"the second step uses the gradients of the batch before", "go backward before the update"),
    (r"^(.+) runs (.+) as in training", r"let \1 tell \2 that it is not training"),
    # Whatever else says what is there for what should be, or what is missing.
    (r"^(.+?) (?:is|are) used for (.+?)(?::.*)?$", r"use \2, not \1"),
    (r"^(.+) (?:is|are) (?:counted 2 times|counted m times.*|added twice|multiplied in twice|updated twice)$", r"let \1 enter once"),
    (r"^the root .*is not taken", "take the root"),
    (r"^the (\w+) is left out$", r"put the \1 in"),
    (r"^(?:the )?(gamma|k|W|W_o) is left out", r"multiply by \1"),
    (r"^the factor (.+?) is missing", r"multiply by \1"),
    (r"^(.+?) (?:is|are) missing", r"put in \1"),
)  # fmt: skip


def fix(cause: str, columns: bool = False) -> str:
    """What to do about a cause; empty if that is not clear.

    Parameters
    ----------
    cause : str
        As `diagnose` gives it.
    columns : bool
        Whether examples are columns in the code.
    """
    cause = plain(cause)
    for pattern, text in _FIXES:
        match = re.search(pattern, cause)
        if match:
            axis = "axis=1, keepdims=True" if columns else "axis=0"
            return match.expand(text).replace("{axis}", axis)
    return ""


def plain(cause: str) -> str:
    """A cause without how well it fits."""
    return re.sub(r" \(to 1e-?\d+\)$", "", cause)
