"""Mistakes in update rules and in the training loop."""

from __future__ import annotations

from comparisons.selftest.mutant import Mutant


def _case(name: str) -> str:
    return f"optimizer/{name}/default"


_GD, _MOMENTUM, _RMS, _ADAM = (f"optimizers:{c}.update" for c in ("GradientDescent", "Momentum", "RMSprop", "Adam"))
_NESTEROV, _ADAGRAD, _ADAMW = (f"optimizers_more:{c}.update" for c in ("Nesterov", "Adagrad", "AdamW"))
_P1, _P2 = "step1/param/dense1.W", "step2/param/dense1.W"
_V1, _S1, _V2, _S2 = (f"step{t}/state/dense1.W.{s}" for t in (1, 2) for s in "vs")
_V_LINE = 'state["v"] = self.beta1 * state["v"] + (1 - self.beta1) * g'
_S_LINE = 'state["s"] = self.beta2 * state["s"] + (1 - self.beta2) * g**2'

OPTIMIZERS = (
    Mutant("gradient-descent/uphill", "added, not subtracted",
           _GD, "w - self", "w + self", _case("gradient-descent"), _P1, "goes uphill"),
    Mutant("gradient-descent/no-rate", "the learning rate forgotten",
           _GD, "self.learning_rate * g", "g", _case("gradient-descent"), _P1, "learning rate is left out"),
    Mutant("gradient-descent/forgotten", "the parameter not updated",
           _GD, "w - self.learning_rate * g", "w.copy()", _case("gradient-descent"), _P1, "not updated"),
    Mutant("momentum/sum", "1 - beta left out: v is a sum, as in the frameworks",
           _MOMENTUM, "(1 - self.beta) * g", "g", _case("momentum"), _V1, "the factor 1 - beta is missing"),
    Mutant("momentum/swapped", "beta and 1 - beta swapped",
           _MOMENTUM, 'self.beta * state["v"] + (1 - self.beta) * g', '(1 - self.beta) * state["v"] + self.beta * g', _case("momentum"), _V1, "swapped"),
    Mutant("momentum/forgets", "v not kept from step to step",
           _MOMENTUM, 'self.beta * state["v"] + ', "", _case("momentum"), _V2, "not kept from step to step"),
    Mutant("momentum/old-v", "moved by the v before the update",
           _MOMENTUM, 'state["v"] = self.beta * state["v"] + (1 - self.beta) * g\n    return w - self.learning_rate * state["v"]',
           'old = state["v"]\n    state["v"] = self.beta * state["v"] + (1 - self.beta) * g\n    return w - self.learning_rate * old',
           _case("momentum"), _P1, "before its update"),
    Mutant("momentum/sign", "added, not subtracted",
           _MOMENTUM, "w - self", "w + self", _case("momentum"), _P1, "goes uphill"),
    Mutant("nesterov/no-look-ahead", "plain momentum",
           _NESTEROV, '(g + self.beta * state["v"])', 'state["v"]', _case("nesterov"), _P1, "plain momentum"),
    Mutant("nesterov/average", "v an average, not a sum",
           _NESTEROV, '["v"] + g', '["v"] + (1 - self.beta) * g', _case("nesterov"), _V1, "1 - beta times"),
    Mutant("nesterov/too-early", "v updated before the step that is written for v before its update",
           _NESTEROV, '(g + self.beta * state["v"])', '((1 + self.beta) * g + self.beta**2 * state["v"])', _case("nesterov"), _P1, "v is updated too early"),
    Mutant("rmsprop/epsilon-inside", "epsilon inside the root",
           _RMS, '(np.sqrt(state["s"]) + self.epsilon)', 'np.sqrt(state["s"] + self.epsilon)', "optimizer/rmsprop/large-epsilon", _P1, "Keras's RMSprop"),
    Mutant("rmsprop/no-root", "divided by the average square",
           _RMS, 'np.sqrt(state["s"])', 'state["s"]', _case("rmsprop"), _P1, "root of the average square"),
    Mutant("rmsprop/swapped", "beta and 1 - beta swapped",
           _RMS, 'self.beta * state["s"] + (1 - self.beta) * g**2', '(1 - self.beta) * state["s"] + self.beta * g**2', _case("rmsprop"), _S1, "swapped"),
    Mutant("rmsprop/no-square", "g for g^2",
           _RMS, "g**2", "g", _case("rmsprop"), _S1, "not squared"),
    Mutant("rmsprop/no-epsilon", "epsilon forgotten",
           _RMS, " + self.epsilon", "", "optimizer/rmsprop/large-epsilon", _P1, "NaN or infinite"),
    Mutant("rmsprop/adagrad", "squares summed without decay: Adagrad",
           _RMS, 'self.beta * state["s"] + (1 - self.beta) * g**2', 'state["s"] + g**2', _case("rmsprop"), _S1, "the factor 1 - beta is missing"),
    Mutant("adagrad/overwritten", "s overwritten, not accumulated",
           _ADAGRAD, 'state["s"] + g**2', "g**2", _case("adagrad"), _S2, "not kept from step to step"),
    Mutant("adagrad/epsilon-inside", "epsilon inside the root",
           _ADAGRAD, '(np.sqrt(state["s"]) + self.epsilon)', 'np.sqrt(state["s"] + self.epsilon)', "optimizer/adagrad/large-epsilon", _P1, "epsilon stands inside the root"),
    Mutant("adagrad/no-root", "divided by the sum of squares",
           _ADAGRAD, 'np.sqrt(state["s"])', 'state["s"]', _case("adagrad"), _P1, "root"),
    Mutant("adam/no-correction", "no bias correction",
           _ADAM, "v_scale = 1 - self.beta1**t\n    s_root_scale = math.sqrt(1 - self.beta2**t)", "v_scale = s_root_scale = 1", _case("adam"), _P1, "without bias correction"),
    Mutant("adam/no-first-correction", "the first moment not corrected",
           _ADAM, "v_scale = 1 - self.beta1**t", "v_scale = 1", _case("adam"), _P1, "without bias correction of the first moment"),
    Mutant("adam/no-second-correction", "the second moment not corrected",
           _ADAM, "s_root_scale = math.sqrt(1 - self.beta2**t)", "s_root_scale = 1", _case("adam"), _P1, "without bias correction of the second moment"),
    Mutant("adam/beta1-for-both", "the second moment corrected with beta1",
           _ADAM, "s_root_scale = math.sqrt(1 - self.beta2**t)", "s_root_scale = math.sqrt(1 - self.beta1**t)", _case("adam"), _P1, "corrected with beta1"),
    Mutant("adam/counter-fixed", "the step counter not used: 1 - beta",
           _ADAM, "v_scale = 1 - self.beta1**t\n    s_root_scale = math.sqrt(1 - self.beta2**t)",
           "v_scale = 1 - self.beta1\n    s_root_scale = math.sqrt(1 - self.beta2)", _case("adam"), _P2, "step counter is not used"),
    Mutant("adam/counter-late", "the step counter one too high",
           _ADAM, "v_scale = 1 - self.beta1**t\n    s_root_scale = math.sqrt(1 - self.beta2**t)",
           "t += 1; v_scale = 1 - self.beta1**t\n    s_root_scale = math.sqrt(1 - self.beta2**t)", _case("adam"), _P1, "step counter is one too high"),
    Mutant("adam/counter-early", "the step counter starts at 0",
           _ADAM, "v_scale = 1 - self.beta1**t", "t -= 1; v_scale = np.float64(1 - self.beta1**t)", _case("adam"), _P1, "step counter is one too low"),
    Mutant("adam/power-as-product", "1 - beta t for 1 - beta^t",
           _ADAM, "v_scale = 1 - self.beta1**t", "v_scale = 1 - self.beta1 * t", _case("adam"), _P2, "beta t for beta^t"),
    Mutant("adam/keras-epsilon", "epsilon before the bias correction",
           _ADAM, "(s_hat_root + self.epsilon)", "(s_hat_root + self.epsilon / s_root_scale)", "optimizer/adam/other-betas", _P1, "Keras's Adam"),
    Mutant("adam/epsilon-inside", "epsilon inside the root",
           _ADAM, "(s_hat_root + self.epsilon)", "np.sqrt(s_hat_root**2 + self.epsilon)", "optimizer/adam/other-betas", _P1, "epsilon stands inside the root"),
    Mutant("adam/no-root", "the root of the second moment forgotten",
           _ADAM, "(s_hat_root + self.epsilon)", "(s_hat_root**2 + self.epsilon)", _case("adam"), _P1, "root of the second moment is not taken"),
    Mutant("adam/no-square", "g for g^2 in the second moment",
           _ADAM, "g**2", "g", _case("adam"), _S1, "not squared"),
    Mutant("adam/beta1-twice", "beta1 in both moments",
           _ADAM, _S_LINE, _S_LINE.replace("beta2", "beta1"), _case("adam"), _S1, "beta1 is used for beta2"),
    Mutant("adam/forgets", "the first moment not kept from step to step",
           _ADAM, _V_LINE, 'state["v"] = (1 - self.beta1) * g', _case("adam"), _V2, "not kept from step to step"),
    Mutant("adam/sum", "1 - beta1 left out",
           _ADAM, _V_LINE, 'state["v"] = self.beta1 * state["v"] + g', _case("adam"), _V1, "the factor 1 - beta is missing"),
    Mutant("adam/gradient-for-moment", "moved by g, not by the first moment",
           _ADAM, "v_hat / (s", "g / (s", _case("adam"), _P2, "the gradient is used for the first moment"),
    Mutant("adamw/l2", "the decay added to the gradient: Adam with L2",
           _ADAMW, "super().update(w - self.learning_rate * self.weight_decay * w, g, state, t)", "super().update(w, g + self.weight_decay * w, state, t)",
           "optimizer/adamw/strong-decay", _V1, "the decay is added to the gradient"),
    Mutant("adamw/no-rate", "the decay not multiplied by the learning rate",
           _ADAMW, "self.learning_rate * self.weight_decay", "self.weight_decay", "optimizer/adamw/strong-decay", _P1, "not multiplied by the learning rate"),
    Mutant("adamw/none", "the decay forgotten",
           _ADAMW, "w - self.learning_rate * self.weight_decay * w", "w", "optimizer/adamw/strong-decay", _P1, "weight decay is missing"),
    Mutant("adamw/sign", "the weights made larger",
           _ADAMW, "w - self.learning_rate * self.weight_decay * w", "w + self.learning_rate * self.weight_decay * w", "optimizer/adamw/strong-decay", _P1, "weight decay has the wrong sign"),
    Mutant("training/counter-fixed", "the step counter never raised",
           "training:Trainer.update", "self.t += 1", "self.t = 1", "network/deep-relu/batch8", "step2/param/dense*", "step counter is not used"),
    Mutant("training/biases-fixed", "the biases never updated",
           "training:Trainer.update", "params[p] = self", "(params if p != 'b' else {})[p] = self", "network/deep-relu/batch8", "step1/param/dense1.b", "not updated"),
)  # fmt: skip


def _decay(name: str) -> str:
    return f"optimizer/decay/{name}"


SCHEDULES = (
    Mutant("schedule/inverse-from-1", "epochs counted from 1, as in the lecture",
           "schedules:inverse_decay", "(1 + decay * epoch)", "(1 + decay * (epoch + 1))", _decay("inverse"), _P1, "counts from 1"),
    Mutant("schedule/inverse-grows", "multiplied, not divided",
           "schedules:inverse_decay", "learning_rate / (1", "learning_rate * (1", _decay("inverse"), _P2, "the rate grows"),
    Mutant("schedule/inverse-linear", "1 - decay n",
           "schedules:inverse_decay", "learning_rate / (1 + decay * epoch)", "learning_rate * max(1 - decay * epoch, 0)", _decay("inverse"), _P2, "1 - decay n"),
    Mutant("schedule/exponential-from-1", "epochs counted from 1",
           "schedules:exponential_decay", "base**epoch", "base ** (epoch + 1)", _decay("exponential"), _P1, "counts from 1"),
    Mutant("schedule/exponential-product", "base n for base^n",
           "schedules:exponential_decay", "base**epoch", "base * epoch", _decay("exponential"), _P1, "base n for base^n"),
    Mutant("schedule/sqrt-no-root", "the root forgotten",
           "schedules:inverse_sqrt_decay", "math.sqrt(count)", "count", _decay("inverse-sqrt"), _P2, "the root is not taken"),
    Mutant("schedule/sqrt-no-k", "the constant k forgotten",
           "schedules:inverse_sqrt_decay", "learning_rate * k", "learning_rate", _decay("inverse-sqrt"), _P1, "k is left out"),
    Mutant("schedule/staircase-smooth", "the count not rounded down",
           "schedules:step_of", "int(epoch // interval)", "epoch / interval", _decay("staircase"), _P2, "no staircase"),
    Mutant("schedule/staircase-up", "the count rounded up",
           "schedules:step_of", "int(epoch // interval)", "-int(-epoch // interval)", _decay("inverse-staircase"), _P2, "rounded up"),
    Mutant("schedule/interval-ignored", "decayed at every step",
           "schedules:step_of", "int(epoch // interval)", "int(epoch)", _decay("nesterov"), _P2, "the interval is ignored"),
    Mutant("schedule/late", "the schedule asked for step t, not t - 1",
           "decayed:Decayed.update", "t - 1", "t", _decay("momentum"), _P1, "counts from 1"),
    Mutant("schedule/never", "the rate computed and not used",
           "decayed:Decayed.update", "self.rule.at_rate(rate)", "self.rule", _decay("inverse"), _P2, "never decays"),
)  # fmt: skip

_SCALED = "clipping:_scaled"
CLIPPING = (
    Mutant("clipping/above-alone", "large negative elements left",
           "clipping:clip_by_value", "np.clip(g, -limit, limit)", "np.minimum(g, limit)", "optimizer/clipping/value", _P1, "from above alone"),
    Mutant("clipping/always", "scaled even where the norm is below the limit",
           _SCALED, " if norm > limit else g.copy()", "", "optimizer/clipping/norm", "step*/state/dense1.*.v", "whether the norm is above it or not"),
    Mutant("clipping/without-limit", "divided by the norm alone",
           _SCALED, "(limit / norm)", "(1 / norm)", "optimizer/clipping/norm", "step*/state/dense1.*.v", "without the limit"),
    Mutant("clipping/no-root", "the squared norm",
           "clipping:_norm_of", "math.sqrt(float(scaled @ scaled)) / scale", "float(scaled @ scaled) / scale**2", "optimizer/clipping/norm", "step*/state/dense1.*.v", "squared norm"),
    Mutant("clipping/own-norms", "each gradient clipped by its own norm",
           "clipping:clip_by_global_norm", "_scaled(g, norm, limit)", "_scaled(g, _norm([g]), limit)", "optimizer/clipping/global-norm", "step*/state/dense1.*.v", "by its own norm"),
    Mutant("clipping/never", "clipped gradients thrown away",
           "clipping:clip_by_global_norm", "_scaled(g, norm, limit)", "g", "optimizer/clipping/global-norm", "step*/state/dense1.*.v", "not clipped"),
)  # fmt: skip
