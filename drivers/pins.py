"""Makes the gpiozero pin factory that a station's devices use; it is always handed to them, never a global default."""

from __future__ import annotations

from typing import Any

from drivers.twins.pins import TwinFactory
from drivers.twins.world import World
from station.config import HardwareConfig
from station.ports import DeviceFault

_INSTALL = (
    "Install the distribution's python3-lgpio and make the virtual environment with --system-site-packages, "
    "or set hardware.pins to twin"
)
_ACCESS = (
    "Run this on a Raspberry Pi, as a user of group gpio who may read and write /dev/gpiochip*, "
    "in a working directory (or LG_WD) that user may write to"
)


def factory(hardware: HardwareConfig) -> Any:
    """Return a new gpiozero pin factory for the header (lgpio) or its twin; close() it. Raises DeviceFault."""
    if hardware.pins == "twin":
        if hardware.world is None:
            raise DeviceFault("pins", "the twin has no world to stand in", "Set hardware.world to the world's socket")
        return TwinFactory(World.connect(hardware.world))
    return _lgpio_factory()


def _lgpio_factory() -> Any:
    try:
        from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415 - absent where only the twin runs

        header = LGPIOFactory()
        header.pin_class = line_class()
    except ImportError as error:
        raise DeviceFault("pins", f"the library lgpio is missing ({error})", _INSTALL) from error
    except Exception as error:  # lgpio raises bare exceptions of its own
        raise DeviceFault("pins", f"the header's pins cannot be opened ({error})", _ACCESS) from error
    return header


def line_class() -> type[Any]:
    """Return gpiozero's lgpio pin without its three flaws for a relay. Raises ImportError without lgpio.

    gpiozero 2.0.1 claims each pin as a floating input when it first sees it, claims outputs at level 0 before writing
    the level asked for (which energises an active-low relay), and leaves pins floating on close. Here a line is
    claimed once its use is known, together with its level and pull (linux/gpio.h, GPIOHANDLE_REQUEST_OUTPUT with
    default_values), and keeps its pull on close.
    """
    import lgpio  # noqa: PLC0415 - absent where only the twin runs
    from gpiozero.pins.lgpio import LGPIOPin  # noqa: PLC0415
    from gpiozero.pins.local import LocalPiPin  # noqa: PLC0415

    class Line(LGPIOPin):  # type: ignore[misc]  # gpiozero has no types
        """One line of the header."""

        def __init__(self, header: Any, info: Any) -> None:
            LocalPiPin.__init__(self, header, info)  # passes over LGPIOPin's claim as a floating input
            self._pwm = self._bounce = self._callback = None
            self._edges = lgpio.BOTH_EDGES
            self._drives = False

        @property
        def _chip(self) -> int | None:
            return self.factory._handle  # type: ignore[no-any-return]  # noqa: SLF001 - as LGPIOPin itself does

        def output_with_state(self, state: bool) -> None:
            """Claim the line as an output at `state`, keeping its pull."""
            if self._drives:
                self.state = state
                return
            lgpio.gpio_claim_output(self._chip, self._number, int(state), self._bias())
            self._drives = True

        def close(self) -> None:
            """Turn the line into an input with the pull it has."""
            if self._chip is None:
                return
            self.when_changed = None
            lgpio.gpio_claim_input(self._chip, self._number, self._bias())
            self._drives = False

        def _set_function(self, value: str) -> None:
            super()._set_function(value)
            self._drives = value == "output"

        def _bias(self) -> int:
            mode = lgpio.gpio_get_mode(self._chip, self._number)
            return int(mode & self.GPIO_LINE_FLAGS_MASK)

    return Line
