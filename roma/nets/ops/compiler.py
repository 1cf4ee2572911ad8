"""The compiler of the kernels, for those who ask for its folder and need no kernel."""

from roma.support.compilation import Compiler

COMPILER = Compiler("roma.nets.ops")
