"""Making an object of a user's class: which argument of the constructor means what.

A plan says for every argument the *role* that its value plays (`n_in`, `W`, `learning_rate`, ...); the values are filled in when the
object is made, as some depend on the case.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from comparisons.check.calling import plain
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Arguments = dict[str, str]
"""Role of every argument that is given."""

ROLES: dict[str, tuple[str, ...]] = {
    "n_in": ("nin", "indim", "inputdim", "inputsize", "infeatures", "ninputs", "numinputs", "numin", "fanin", "insize", "ninput",
             "inputunits", "inputneurons", "sizein", "dimin", "insz", "idim", "isize", "inputs", "inputnum", "prevsize", "nprev",
             "prevunits", "inputfeatures", "din", "nx", "inputlen", "inputlength", "input", "inputnodes", "nodesin", "prevnodes",
             "previousunits", "inputcount", "numinput", "in", "inneurons", "inputwidth", "ind", "dinput", "numinputunits",
             "wordveclen", "vectorsize", "inunits", "numfeaturesin", "ninputfeatures", "nfeaturesin", "innodes"),
    "n_out": ("nout", "outdim", "outputdim", "outputsize", "outfeatures", "noutputs", "numoutputs", "numout", "fanout", "outsize",
              "noutput", "outputunits", "outputneurons", "units", "nunits", "numunits", "nneurons", "neurons", "numneurons",
              "nnodes", "nodes", "numnodes", "hiddensize", "nhidden", "hiddendim", "size", "dout", "outsz", "odim", "osize",
              "outputs", "outputfeatures", "width", "layersize", "output", "outputnodes", "nodesout", "numhidden", "dimout", "n",
              "sizeout", "hiddenunits", "outneurons", "outputlen", "outd", "neuroncount", "nclasses", "numclasses", "numhiddenunits",
              "hidden", "hiddens", "outunits", "unitcount", "outnodes", "outputcount"),
    "dims": ("dims", "sizes", "shape", "layerdims", "wshape", "weightshape", "weightsshape", "dim", "inout", "layershape"),
    "input_shape": ("inputshape", "shape", "inshape", "inputdims", "shapein", "xshape", "inputsize", "imageshape", "imgshape", "inputdim",
                    "xdim", "xdims", "indims", "imagedim", "imgdim", "imagesize", "imgsize", "dimx"),
    "output_shape": ("outputshape", "outshape", "targetshape", "newshape"),
    "W": ("w", "weight", "weights", "kernel", "kernels", "filters", "theta", "winit"),
    "b": ("b", "bias", "biases"),
    "Wx": ("wx", "wxh", "wih", "u"),
    "Wh": ("wh", "whh", "wrec"),
    "gamma": ("gamma", "scale"),
    "beta": ("beta", "shift"),
    "in_channels": ("inchannels", "inputchannels", "inchannel", "channels", "nchannels", "numchannels", "inch", "cin", "inputdepth",
                    "indepth", "nin", "inc", "inplanes", "numinputchannels", "nc", "inputchannel", "ninputchannels", "nfiltersprev",
                    "nchannelsin", "c"),
    "out_channels": ("outchannels", "outputchannels", "outchannel", "filters", "nfilters", "numfilters", "outch", "cout", "depth",
                     "nkernels", "numkernels", "outputdepth", "outdepth", "nout", "filternum", "outplanes", "nf", "kernels", "numfilter",
                     "noutputchannels", "nchannelsout", "filtercount", "outc", "numoutputchannels", "featuremaps", "nfilter", "noutchannels"),
    "kernel": ("kernelsize", "filtersize", "kernel", "size", "f", "k", "ksize", "fsize", "window", "windowsize", "poolsize",
               "filterdim", "kerneldim", "pool", "kernelshape", "filtershape", "poolshape", "kernelsizes", "poolingsize", "filter", "kw",
               "poolingshape", "poolsz", "kernelwidth", "convsize"),
    "height": ("poolh", "poolheight", "hh", "fh", "hf", "kh", "kernelheight", "filterheight", "h", "kernelh", "filterh", "hfilter", "hp"),
    "width": ("poolw", "poolwidth", "ww", "fw", "wf", "kernelwidth", "filterwidth", "w", "kernelw", "filterw", "wfilter", "wp"),
    "stride": ("stride", "strides", "s", "step", "stridesize"),
    "padding": ("padding", "pad", "p", "pads", "paddingsize"),
    "keep_prob": ("keepprob", "keep", "pkeep", "keeprate", "keepprobability", "retain", "retainprob"),
    "drop_rate": ("rate", "p", "prob", "drop", "dropoutratio", "droprate", "dropout", "dropoutrate", "dropprob", "ratio", "probability",
                  "pdrop", "dropoutprob", "dropratio", "dropprobability"),
    "n_features": ("nfeatures", "numfeatures", "dim", "size", "n", "features", "d", "nin", "inputdim", "inputsize", "dims", "shape",
                   "nchannels", "channels", "numchannels", "inputshape", "normalizedshape", "units", "ninputs", "neurons", "nout"),
    "momentum": ("momentum", "rho", "decay"),
    "epsilon": ("eps", "epsilon", "e"),
    "vocabulary": ("vocabsize", "numembeddings", "vocab", "inputdim", "nin", "v", "ntokens", "vocabularysize", "nvocab", "numwords", "nwords"),
    "n_embedding": ("embeddingdim", "embedsize", "embeddim", "outputdim", "nout", "d", "dim", "embeddingsize", "wordvecsize", "hiddensize",
                    "nembedding", "nemb"),
    "regularisation": ("reg", "lambda", "lambd", "lam", "l2", "l2reg", "weightdecay", "regularization", "regularisation", "l1", "regstrength",
                       "lambdareg", "reglambda", "l2lambda", "wd", "decay", "regularizationstrength", "weightregularizerl2"),
    "learning_rate": ("learningrate", "lr", "eta", "stepsize", "learnrate"),
    "m": ("batchsize", "m", "nsamples", "batch", "numsamples", "nexamples", "numexamples"),
    "optimizer": ("optimizer", "opt", "optim", "optimiser"),
    "activation": ("activation", "activationfunction", "actfn", "act", "activationfn", "nonlinearity", "func", "activationfunc",
                   "actfunc", "activationtype", "activ", "activationname", "f", "fn", "function"),
    "activation_prime": ("activationprime", "fprime", "derivative", "actprime", "dactivation", "dfunc", "activationderivative",
                         "prime", "deriv", "gradient", "funcprime", "fgrad", "activationgrad", "df", "activationgradient", "actderiv"),
    "slope": ("alpha", "slope", "negativeslope", "leak", "leakage"),
    "name": ("name", "layername", "id", "label"),
    "dtype": ("dtype", "nptype", "floattype"),
    "T": ("t", "timesteps", "seqlen", "seqlength", "sequencelength", "nsteps", "bptttruncate"),
}  # fmt: skip
"""Usual names of each role, in lower case without underscores; a layer's own roles are asked before the others."""

COMMON = ("learning_rate", "m", "optimizer", "name", "regularisation", "dtype")
"""Roles that an argument of any class may play."""


def arguments(cls: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a constructor (or function) takes by name or place."""
    try:
        found = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def plans(cls: Callable[..., Any], roles: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Arguments]:
    """Ways to fill the arguments, the most likely first.

    Parameters
    ----------
    cls : callable
    roles : tuple of str
        What has to be said, in the usual order.
    optional : tuple of str
        What is said where an argument asks for it.
    """
    known, open_ = (*roles, *optional, *COMMON), []
    given: Arguments = {}
    for p in arguments(cls):
        role = _role(p.name, known, set(given.values()))
        if role is not None and _given(p, role):
            given[p.name] = role
        elif p.default is p.empty:
            open_.append(p.name)
    left = [r for r in roles if r not in given.values()]
    if not open_:
        yield given
        return
    for order in (left, left[::-1]):
        if len(order) >= len(open_):
            yield given | dict(zip(open_, order, strict=False))
            if len(left) == 1:
                return


def _role(name: str, known: tuple[str, ...], used: set[str]) -> str | None:
    wanted = plain(name)
    for role in known:
        if role not in used and (wanted == plain(role) or wanted in ROLES.get(role, ())):
            return role
    return None


def _given(p: inspect.Parameter, role: str) -> bool:
    """Whether an argument is to be set: not a switch, and not what has a default that does as well."""
    if p.default is p.empty or role == "dtype":
        return True
    if isinstance(p.default, bool) or role in (
        "optimizer",
        "activation",
        "activation_prime",
        "name",
        "m",
        "momentum",
        "epsilon",
        "T",
    ):
        return False
    return not isinstance(p.default, str)


def made(file: UserFile, cls: type, arguments_: Arguments, values: Mapping[str, Any]) -> Any:
    """An object of the class.

    Raises
    ------
    UserError
        If the constructor raises, or an argument has no value.
    """
    values = {"dtype": np.float64} | dict(values)  # in single precision nothing would agree
    lacking = [role for role in arguments_.values() if role not in values]
    if lacking:
        raise UserError(f"{cls.__name__}: no value for {lacking[0]}")
    return file.call(cls, **{name: copied(values[role]) for name, role in arguments_.items()})


def copied(value: Any) -> Any:
    """A copy of an array; anything else as it is."""
    return value.copy() if isinstance(value, np.ndarray) else value


class RecordingOptimizer:
    """Stands in for an optimizer that a layer wants: plain descent with rate 1, so that a parameter moves by its gradient."""

    learning_rate = lr = 1.0
    cur_step = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `update`, or as the factory of itself where nothing is given."""
        return self.update(*args, **kwargs) if args else self

    def update(self, w: Any, g: Any, *args: Any, **kwargs: Any) -> Any:
        """w - g."""
        return w - g

    def step(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to be kept."""
