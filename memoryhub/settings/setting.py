"""What a row of the table of settings says."""

from dataclasses import dataclass
from typing import Any

from memoryhub.settings.kinds import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` is text, as it would stand in the environment; empty means not set. So are `least` and `most`.

    Values beyond these two cannot work. A secret can also be given as the file `NAME_FILE` holds the name of.
    `required` ones stop the web server and the worker when they are missing. `made_by` is a command that prints one.
    """

    name: str
    kind: Kind
    default: str
    group: str
    help: str
    secret: bool = False
    required: bool = False
    least: str = ""
    most: str = ""
    made_by: str = ""

    @property
    def bounds(self) -> str:
        """What a value must be beside of its kind, for people: `at least 1`. Empty where every one works."""
        if self.least and self.most:
            return f"between {self.least} and {self.most}"
        return f"at least {self.least}" if self.least else f"at most {self.most}" if self.most else ""

    def allows(self, value: Any) -> bool:
        """Whether a parsed value is within the bounds."""
        if self.least and value < self.kind.parse(self.least):
            return False
        return not (self.most and value > self.kind.parse(self.most))
