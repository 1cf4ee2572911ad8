"""Command-line flags, which the game's package reads and refuses to read before someone has parsed them."""


class _Flags:
    parsed = False

    def is_parsed(self):
        return self.parsed

    def __call__(self, arguments):
        self.parsed = True


FLAGS = _Flags()
