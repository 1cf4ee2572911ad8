"""Command-line flags; the game's package refuses to read them before they are parsed."""


class _Flags:
    parsed = False

    def is_parsed(self):
        return self.parsed

    def __call__(self, arguments):
        self.parsed = True


FLAGS = _Flags()
