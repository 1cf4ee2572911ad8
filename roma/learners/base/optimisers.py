"""RMSprop and Adam with torch's arithmetic. Torch's own classes import 800 modules when made, in 1.5 seconds."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Optimiser(ABC):
    """Base class of optimisers.

    Args:
        parameters: Parameters to optimise. A parameter without a gradient keeps its value and state.
        learning_rate: Factor of every step.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        self.parameters, self.learning_rate = list(parameters), learning_rate
        self.state = {parameter: self.initial_state(parameter) for parameter in self.parameters}

    @abstractmethod
    def initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Return the initial state of a parameter, by torch's names."""

    @abstractmethod
    def update(self, parameter: nn.Parameter, grad: Tensor, state: dict[str, Tensor]) -> None:
        """Change one parameter and its state in place."""

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        for parameter, state in self.state.items():
            if parameter.grad is not None:
                self.update(parameter, parameter.grad, state)

    def zero_grad(self) -> None:
        """Reset all gradients."""
        for parameter in self.parameters:
            parameter.grad = None


class RMSprop(Optimiser):
    """RMSprop: a gradient is divided by the root of its running mean square (Tieleman and Hinton, 2012).

    Args:
        parameters: Parameters to optimise.
        learning_rate: Factor of every step.
        alpha: Smoothing of squared gradients.
        epsilon: Added outside the root.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, alpha: float, epsilon: float) -> None:
        super().__init__(parameters, learning_rate)
        self.alpha, self.epsilon = alpha, epsilon

    def initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {"square_avg": torch.zeros_like(parameter)}

    def update(self, parameter: nn.Parameter, grad: Tensor, state: dict[str, Tensor]) -> None:
        square = state["square_avg"].mul_(self.alpha).addcmul_(grad, grad, value=1 - self.alpha)
        parameter.addcdiv_(grad, square.sqrt().add_(self.epsilon), value=-self.learning_rate)


class Adam(Optimiser):
    """Adam with the settings of Kingma and Ba (2015)."""

    BETAS = 0.9, 0.999
    EPSILON = 1e-8

    def initial_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        # The counter stays on the CPU, because reading it from a GPU would wait for the GPU.
        zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        return zeros | {"step": torch.zeros((), device="cpu")}

    def update(self, parameter: nn.Parameter, grad: Tensor, state: dict[str, Tensor]) -> None:
        steps = float(state["step"].add_(1))
        corrections = [1 - beta**steps for beta in self.BETAS]
        mean = state["exp_avg"].lerp_(grad, 1 - self.BETAS[0])
        square = state["exp_avg_sq"].mul_(self.BETAS[1]).addcmul_(grad, grad, value=1 - self.BETAS[1])
        spread = (square.sqrt() / corrections[1] ** 0.5).add_(self.EPSILON)
        parameter.addcdiv_(mean, spread, value=-self.learning_rate / corrections[0])
