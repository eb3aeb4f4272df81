"""One device on a desk, as a table of ``bench.toml`` describes it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class MeterTable:
    """What measures the energy of one device.

    Attributes:
        use: Name of a file in ``edgeprune/meters``.
        at: Which one: a CSV file, a serial number or port, or the sensor's folder on the device;
            None takes the only one.
        rails: Labels of the channels to add up; empty takes the only one.
        voltage_v: Supply voltage, for a meter that knows only the current.
        zero: When a log's time 0 was: ISO 8601 or Unix seconds, for logs with relative times.
    """

    use: str
    at: str | None = None
    rails: tuple[str, ...] = ()
    voltage_v: float | None = None
    zero: str | None = None


@dataclass(frozen=True)
class Device:
    """One device of some kind of board.

    Attributes:
        board: Name of its board.
        name: Its table's name in ``bench.toml``; host keys are kept under it.
        host: ``[user@]address[:port]`` or OpenSSH host alias; of a microcontroller, the file of its
            serial port; None where there is neither.
        user: Login name; None takes OpenSSH's.
        port: TCP port; None takes OpenSSH's.
        key: Private key file; None takes OpenSSH's and the agent's.
        jump: ``[user@]host[:port]`` to go through; None takes OpenSSH's ProxyJump.
        folder: Where pushed files go on the device; None takes the board's.
        cpus: Cores to pin the agent to; empty leaves it free.
        serial: Serial number as ``adb devices`` shows it, or of a microcontroller's USB port; None
            takes the host's, or else the only one that there is.
        password_env: Environment variable that holds the login password, for devices that know
            no keys; None refuses password logins.
        meter: The meter in its supply line; None takes the board's own.
        power_cycle: Program and arguments that switch it off and on; empty where none does.
        labgrid_place: Its place in a labgrid, which the farm acquires while it uses the device;
            None where it is none.
        epoch: Of the farm's lease under which it is used, which the agents there enforce; None
            where nobody leased it. It stands in no file.
        own: Keys that its transport alone knows (``Transport.own_keys``), with their values.
    """

    board: str
    name: str = ""
    host: str | None = None
    user: str | None = None
    port: int | None = None
    key: str | None = None
    jump: str | None = None
    folder: str | None = None
    cpus: tuple[int, ...] = ()
    serial: str | None = None
    password_env: str | None = None
    meter: MeterTable | None = None
    power_cycle: tuple[str, ...] = ()
    labgrid_place: str | None = None
    epoch: int | None = None
    own: dict[str, object] = field(default_factory=dict)
