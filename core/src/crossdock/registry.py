"""Finds plugins, guards the door, and gives each connector a typed face.

A plugin that cannot be imported, misnames a hook, clashes with another's name, uses what the core lacks or was built
for another spec version becomes a `PluginFailure` with name, version and cause; everything else goes on. Only where
an ambient plugin is missing, which may hold rules, nothing is planned or delivered.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import attrs
import pluggy

from crossdock.admission import (
    CONNECTORS,
    HERE,
    PLUGINS,
    Found,
    PluginFailure,
    PluginNotice,
    Refused,
    info_of,
    info_problem,
    lacking,
    marked,
    needed,
    options_of,
    problem_of,
    unknown_argument,
)
from crossdock.connection import ConnectorInfo
from crossdock.errors import ConnectorError, CrossdockError, PluginError, UnsupportedError, UsageError
from crossdock.hookspecs import (
    AMBIENT_HOOKS,
    CONNECTOR_HOOKS,
    PROJECT,
    AmbientSpec,
    ConnectorSpec,
    HookDeprecation,
    hookimpl,
)
from crossdock.records import Balance, Customer, Order, Price, Product, Shipment
from crossdock.session import (
    Check,
    Decision,
    Outcome,
    Page,
    Preview,
    Query,
    Receipt,
    Session,
    StatusUpdate,
    StillRunning,
    WebhookReply,
    WebhookRequest,
    WebhookState,
)

T = TypeVar("T")
LOCAL_PLUGIN = "crossdock_local.py"
_AT_START = ("add_hookspecs", "connector_loaded")
"""Hooks that are called while plugins are loaded: who has no others need not be told or asked later."""


class Connector:
    """One connector behind a typed face: each method asks exactly this connector, wrappers of ambient plugins run.

    Whatever leaves a hook and is no `CrossdockError` becomes a `PluginError` that names the connector. A hook that the
    connector does not implement raises `UnsupportedError`.
    """

    def __init__(self, found: Found, info: ConnectorInfo, callers: Mapping[str, Any], hooks: Iterable[str]) -> None:
        self.found = found
        self.info = info
        self.hooks: tuple[str, ...] = tuple(name for name in CONNECTOR_HOOKS if name in set(hooks))
        self._callers = callers

    @property
    def name(self) -> str:
        """The connector's name in connections."""
        return self.found.name

    def can(self, hook: str) -> bool:
        """Whether the connector implements `hook`."""
        return hook in self.hooks

    def _call(self, hook: str, **arguments: Any) -> Any:
        if hook not in self.hooks:
            raise UnsupportedError(
                f"The connector {self.name} has no {hook}.", hint="See the matrix of: crossdock connectors"
            )
        try:
            answer = self._callers[hook](**arguments)
        except CrossdockError:
            raise
        except (Exception, SystemExit) as error:
            raise self._broken(hook, error, arguments.get("session")) from error
        if answer is None:
            raise PluginError(f"The connector {self.name} answered None from {hook}; None never is an answer.")
        return answer

    def _broken(self, hook: str, error: BaseException, session: Session[Any] | None) -> PluginError:
        where = ""
        for frame in inspect.getinnerframes(error.__traceback__) if error.__traceback__ else ():
            where = f" ({Path(frame.filename).name}, line {frame.lineno})"
        # Whatever broke may quote what it broke on, a credential for example.
        said = session.http.redactor.text(str(error)) if session else str(error)
        return PluginError(
            f"The connector {self.name} {self.found.version} broke in {hook}: {type(error).__name__}: {said}{where}.",
            hint=f"This is a fault of the plugin {self.found.distribution}, not of your data; nothing was lost.",
        )

    def ask(self, hook: str, **arguments: Any) -> Any:
        """Call a hook by name, and get its answer as it is."""
        return self._call(hook, **arguments)

    def guarded(self, hook: str, session: Session[Any], items: Iterable[T]) -> Generator[T, None, None]:
        """The items of an answer, which a generator makes only now; what breaks in it is the connector's fault."""
        try:
            yield from items
        except CrossdockError:
            raise
        except (Exception, SystemExit) as error:
            raise self._broken(hook, error, session) from error
        finally:
            if hasattr(items, "close"):
                items.close()

    def _pages(self, hook: str, session: Session[Any], query: Query) -> Generator[Page[Any], None, None]:
        yield from self.guarded(hook, session, self._call(hook, session=session, query=query))

    def _outcomes(self, hook: str, session: Session[Any], answer: Any) -> list[Outcome]:
        mask = session.http.redactor.text  # a vendor's words on one item of a batch may quote the request
        outcomes = self._listed(hook, session, Outcome, answer)
        return [attrs.evolve(each, message=mask(each.message)) if each.message else each for each in outcomes]

    def _listed(self, hook: str, session: Session[Any], kind: type[T], answer: Any) -> list[T]:
        """The items of an answer; a hook may be a generator, which does its work only here."""
        try:
            found = list(answer)
        except CrossdockError:
            raise
        except (Exception, SystemExit) as error:
            raise self._broken(hook, error, session) from error
        wrong = next((each for each in found if not isinstance(each, kind)), None)
        if wrong is not None:
            raise PluginError(
                f"The connector {self.name} answered a {type(wrong).__name__} from {hook}, not a {kind.__name__}."
            )
        return found

    def fetch(self, stream: str, session: Session[Any], query: Query) -> Generator[Page[Any], None, None]:
        """Pages of `stream`."""
        return self._pages(f"fetch_{stream}", session, query)

    def verify(self, session: Session[Any]) -> Iterator[Check]:
        """The steps of verify; an error that leaves the hook becomes a red step."""
        try:
            yield from self._call("verify", session=session)
        except ConnectorError as error:
            yield Check(name="Connection", state="fail", detail=str(error), hint=error.hint)
        except CrossdockError:
            raise
        except (Exception, SystemExit) as error:
            raise self._broken("verify", error, session) from error

    def push_order(self, session: Session[Any], order: Order, key: str, known: Receipt | None) -> Receipt:
        """See `ConnectorSpec.push_order`."""
        return self._receipt(self._call("push_order", session=session, order=order, key=key, known=known))

    def find_order(self, session: Session[Any], key: str) -> Sequence[Receipt]:
        """See `ConnectorSpec.find_order`."""
        return self._receipts("find_order", session, self._call("find_order", session=session, key=key))

    def preview_order(self, session: Session[Any], order: Order, key: str) -> Preview:
        """See `ConnectorSpec.preview_order`."""
        preview: Preview = self._call("preview_order", session=session, order=order, key=key)
        return preview

    def accept_order(self, session: Session[Any], known: Receipt, decision: Decision) -> Receipt:
        """See `ConnectorSpec.accept_order`."""
        return self._receipt(self._call("accept_order", session=session, known=known, decision=decision))

    def cancel_order(self, session: Session[Any], known: Receipt, reason: str) -> Receipt:
        """See `ConnectorSpec.cancel_order`."""
        return self._receipt(self._call("cancel_order", session=session, known=known, reason=reason))

    def push_status(self, session: Session[Any], update: Order, order: Order, key: str) -> Receipt:
        """See `ConnectorSpec.push_status`."""
        return self._receipt(self._call("push_status", session=session, update=update, order=order, key=key))

    def push_statuses(self, session: Session[Any], updates: Sequence[StatusUpdate]) -> list[Outcome]:
        """See `ConnectorSpec.push_statuses`."""
        return self._outcomes("push_statuses", session, self._call("push_statuses", session=session, updates=updates))

    def push_shipment(self, session: Session[Any], shipment: Shipment, order: Order, key: str) -> Receipt:
        """See `ConnectorSpec.push_shipment`."""
        return self._receipt(self._call("push_shipment", session=session, shipment=shipment, order=order, key=key))

    def find_shipment(self, session: Session[Any], shipment: Shipment, order: Order, key: str) -> Sequence[Receipt]:
        """See `ConnectorSpec.find_shipment`."""
        answer = self._call("find_shipment", session=session, shipment=shipment, order=order, key=key)
        return self._receipts("find_shipment", session, answer)

    def push_customer(self, session: Session[Any], customer: Customer, key: str, known: Receipt | None) -> Receipt:
        """See `ConnectorSpec.push_customer`."""
        return self._receipt(self._call("push_customer", session=session, customer=customer, key=key, known=known))

    def push_products(self, session: Session[Any], products: Sequence[Product]) -> list[Outcome]:
        """See `ConnectorSpec.push_products`."""
        return self._outcomes("push_products", session, self._call("push_products", session=session, products=products))

    def push_prices(self, session: Session[Any], prices: Sequence[Price]) -> list[Outcome]:
        """See `ConnectorSpec.push_prices`."""
        return self._outcomes("push_prices", session, self._call("push_prices", session=session, prices=prices))

    def push_balance(self, session: Session[Any], balances: Sequence[Balance]) -> list[Outcome]:
        """See `ConnectorSpec.push_balance`."""
        return self._outcomes("push_balance", session, self._call("push_balance", session=session, balances=balances))

    def check_job(self, session: Session[Any], job: str) -> list[Outcome] | StillRunning:
        """See `ConnectorSpec.check_job`."""
        answer = self._call("check_job", session=session, job=job)
        return answer if isinstance(answer, StillRunning) else self._outcomes("check_job", session, answer)

    def handle_webhook(self, session: Session[Any], request: WebhookRequest) -> WebhookReply:
        """See `ConnectorSpec.handle_webhook`."""
        reply: WebhookReply = self._call("handle_webhook", session=session, request=request)
        return reply

    def register_webhook(self, session: Session[Any], url: str, secret: str) -> WebhookState:
        """See `ConnectorSpec.register_webhook`."""
        state: WebhookState = self._call("register_webhook", session=session, url=url, secret=secret)
        return state

    def _receipts(self, hook: str, session: Session[Any], answer: Any) -> list[Receipt]:
        return [self._receipt(each) for each in self._listed(hook, session, Receipt, answer)]

    def _receipt(self, answer: Any) -> Receipt:
        if not isinstance(answer, Receipt) or not answer.external_id:
            raise PluginError(f"The connector {self.name} answered no receipt with an external id.")
        return answer


class Ambient:
    """What the engine tells and asks ambient plugins; an observer that breaks is reported and stops nothing.

    A plugin that is `absent` because it cannot be loaded may hold rules, and a rule that cannot be asked is no yes.
    """

    def __init__(self, manager: pluggy.PluginManager, absent: Iterable[PluginFailure] = ()) -> None:
        self._hook = manager.hook
        self._absent = next(iter(absent), None)
        self.active = any(getattr(self._hook, name).get_hookimpls() for name in AMBIENT_HOOKS if name not in _AT_START)

    def asks(self, hook: str) -> bool:
        """Whether anybody would answer a hook."""
        return self._absent is not None or bool(getattr(self._hook, hook).get_hookimpls())

    def require(self) -> None:
        """Raise a `PluginError` when one of them cannot be loaded, so that it cannot be asked."""
        if self._absent is None:
            return
        found, cause = self._absent.found, self._absent.cause.rstrip(".")
        raise PluginError(
            f"The plugin {found.name} may hold rules and cannot be asked, so nothing is decided without it: {cause}.",
            hint=f"Repair {found.distribution}, or switch it off: CROSSDOCK_DISABLED={found.name}",
        )

    def tell(self, hook: str, **arguments: Any) -> None:
        """Inform observers."""
        if not self.active:
            return
        try:
            getattr(self._hook, hook)(**arguments)
        except Exception as error:  # noqa: BLE001  an observer must not be able to stop a delivery
            warnings.warn(f"An ambient plugin broke in {hook}: {error}", RuntimeWarning, stacklevel=2)

    def ask(self, hook: str, default: Any, **arguments: Any) -> Any:
        """Ask deciders; without an answer `default` holds.

        A `CrossdockError` that they raise is their answer; anything else is a `PluginError`.
        """
        self.require()
        if not self.active:
            return default
        try:
            answer = getattr(self._hook, hook)(**arguments)
        except CrossdockError:
            raise
        except Exception as error:
            raise PluginError(f"An ambient plugin broke in {hook}: {type(error).__name__}: {error}") from error
        return default if answer is None else answer


class Registry:
    """All plugins of this environment, or just those `given` (with their modules). Read-only once made; thread-safe."""

    def __init__(
        self, local: Path | None = None, given: Mapping[Found, Any] | None = None, *, only: str = ""
    ) -> None:  # fmt: skip
        """`local` is a file with an ambient plugin; with `only` nothing but the connector of that name is loaded."""
        self._only = only
        self._manager = _manager()
        self._manager.hook.add_hookspecs.call_historic(kwargs={"manager": self._manager})
        self.failures: list[PluginFailure] = []
        self.notices: list[PluginNotice] = []
        self.ambient_plugins: list[Found] = []
        self._modules: dict[str, tuple[Found, ModuleType]] = {}
        self._registered: list[tuple[Found, Any]] = []
        if given is None:
            self._load(local)
        for found, plugin in (given or {}).items():
            self._guard(found, functools.partial(self._register, found, plugin))
        self._check_pending()
        self._connectors: dict[str, Connector] = {}
        self._build()
        self.ambient = Ambient(self._manager, (each for each in self.failures if each.found.group == PLUGINS))

    @property
    def hook(self) -> Any:
        """The raw hooks, for hooks that third parties added."""
        return self._manager.hook

    @property
    def connectors(self) -> Mapping[str, Connector]:
        """The usable connectors by name."""
        return self._connectors

    def connector(self, name: str) -> Connector:
        """The connector of that name; raises `UsageError` saying why there is none."""
        connector = self._connectors.get(name)
        if connector is not None:
            return connector
        for failure in self.failures:
            if failure.found.name == name:
                raise UsageError(f"The connector {name} cannot be used: {failure.cause}", hint="crossdock doctor")
        known = ", ".join(sorted(self._connectors)) or "none"
        raise UsageError(
            f"There is no connector {name!r}; installed are: {known}.", hint=f"pip install crossdock-{name}"
        )

    def isolated(
        self, found: Found, info: ConnectorInfo, hooks: Iterable[str], ask: Callable[[str, Mapping[str, Any]], Any]
    ) -> Connector:
        """A connector that runs elsewhere: `ask` calls a hook there, and wrappers of ambient plugins run here."""
        manager, module = _manager(), ModuleType(f"isolated {found.name}")
        for hook in hooks:
            setattr(module, hook, hookimpl(_forwarded(hook, ask)))
        for ambient, plugin in self._registered:
            if ambient in self.ambient_plugins:
                manager.register(plugin)
        manager.register(module)
        return Connector(found, info, {hook: getattr(manager.hook, hook) for hook in CONNECTOR_HOOKS}, hooks)

    # -- loading -----------------------------------------------------------------------------------

    def _load(self, local: Path | None) -> None:
        allowed = os.environ.get("CROSSDOCK_PLUGINS", "")
        only = {name.strip() for name in allowed.split(",") if name.strip()}
        blocked = {name.strip() for name in os.environ.get("CROSSDOCK_DISABLED", "").split(",") if name.strip()}
        entries = [
            (found, entry)
            for found, entry in _entry_points()
            if self._only in ("", found.name)
            and not (self._only and found.group == PLUGINS)
            and found.name not in blocked and (not only or found.name in only)
        ]  # fmt: skip
        for found, entry in entries:
            if found.group == PLUGINS:
                self._load_one(found, entry)
        if local is not None and local.is_file() and local.stem not in blocked:
            self._load_local(local)
        names = [found.name for found, _ in entries if found.group == CONNECTORS]
        for found, entry in entries:
            if found.group != CONNECTORS:
                continue
            rivals = sorted(
                {each.distribution for each, _ in entries if each.group == CONNECTORS and each.name == found.name}
            )
            if names.count(found.name) > 1:
                self._fail(found, f"{' and '.join(rivals)} both call themselves {found.name!r}; uninstall one.")
            else:
                self._load_one(found, entry)

    def _load_one(self, found: Found, entry: EntryPoint) -> None:
        self._guard(found, lambda: self._register(found, entry.load()))

    def _load_local(self, path: Path) -> None:
        found = Found(name=path.stem, distribution=path.name, version="local", group=PLUGINS, target=path.name)

        def load() -> None:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path.name} is no Python file")
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[path.stem]
                raise
            self._register(found, module)

        self._guard(found, load)

    def _guard(self, found: Found, load: Callable[[], None]) -> None:
        """Load a plugin; whatever leaves it becomes a failure with its name, and stops nothing else."""
        try:
            load()
        except Refused as refused:
            self._fail(found, str(refused))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  a plugin may even call sys.exit at import
            text = f"it cannot be imported: {type(error).__name__}: {error}"
            self._fail(found, f"{text}.{lack}" if (lack := lacking(found, error)) else text)

    def _register(self, found: Found, plugin: Any) -> None:
        problem = problem_of(found, plugin)
        if not problem and found.group == CONNECTORS:
            # Before its hooks are looked at: a plugin for another spec version may well have others.
            problem = info_problem(found, info_of(found, plugin))
        if problem:
            raise Refused(problem)
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("always", HookDeprecation)
                self._manager.register(plugin, name=f"{found.group}:{found.name}")
        except BaseException as error:
            self._forget(plugin)
            if isinstance(error, pluggy.PluginValidationError | ValueError):
                cause = str(error).splitlines()[-1] if str(error) else type(error).__name__
                raise Refused(unknown_argument(found, error) or cause) from error
            raise
        self._registered.append((found, plugin))
        for each in said:
            if isinstance(each.message, HookDeprecation):
                self.notices.append(PluginNotice(found=self._author(found, each.filename), text=f"{each.message}."))
            else:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)

    def _author(self, found: Found, file: str) -> Found:
        """Whose function a warning is about: a plugin that adds hooks finds those of others that were there before."""
        return next((each for each, plugin in self._registered if getattr(plugin, "__file__", None) == file), found)

    def _forget(self, plugin: Any) -> None:
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)

    def _check_pending(self) -> None:
        """Refuse misspelt hooks; only now, because an ambient plugin may add hooks that others implement."""
        known = {*CONNECTOR_HOOKS, *AMBIENT_HOOKS}
        for found, plugin in self._registered:
            strange = [
                name
                for name in marked(plugin)
                if name not in known
                and not options_of(plugin, name).get("optionalhook")
                and not self._has_spec(options_of(plugin, name).get("specname") or name)
            ]
            if strange:
                self._forget(plugin)
                self._fail(found, f"it implements {strange[0]!r}, which is no hook of this core; is it misspelt? "
                                  f"Here is {HERE}; {needed(found)}.")  # fmt: skip
            elif found.group == CONNECTORS:
                self._modules[found.name] = (found, plugin)
            else:
                self.ambient_plugins.append(found)

    def _has_spec(self, name: str) -> bool:
        caller = getattr(self._manager.hook, name, None)
        return caller is not None and caller.has_spec()

    def _build(self) -> None:
        plugins = [module for _, module in self._modules.values()]
        for name, (found, module) in list(self._modules.items()):
            others = [plugin for plugin in plugins if plugin is not module]
            callers = {hook: self._manager.subset_hook_caller(hook, others) for hook in CONNECTOR_HOOKS}
            self._connectors[name] = Connector(found, info_of(found, module), callers, marked(module))
        for connector in self._connectors.values():
            try:
                self._manager.hook.connector_loaded.call_historic(kwargs={"info": connector.info})
            except Exception as error:  # noqa: BLE001  an observer that breaks stops nothing
                warnings.warn(f"An ambient plugin broke in connector_loaded: {error}", RuntimeWarning, stacklevel=2)

    def _fail(self, found: Found, cause: str) -> None:
        self.failures.append(PluginFailure(found=found, cause=cause))


def find(name: str) -> tuple[Found, Any]:
    """The installed connector `name` as it was found, and its imported plugin.

    Raises `UsageError` when there is none, and whatever its import raises.
    """
    for found, entry in _entry_points():
        if found.group == CONNECTORS and found.name == name:
            return found, entry.load()
    raise UsageError(f"There is no connector {name!r} installed.", hint=f"pip install crossdock-{name}")


def taken_names() -> set[str]:
    """The names of all connectors that are installed, usable or not; nothing is imported."""
    return {found.name for found, _ in _entry_points() if found.group == CONNECTORS}


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ConnectorSpec)
    manager.add_hookspecs(AmbientSpec)
    return manager


def _forwarded(hook: str, ask: Callable[[str, Mapping[str, Any]], Any]) -> Callable[..., Any]:
    """A function with the signature of `hook`; pluggy reads it from the specification, which it says it wraps."""
    spec = getattr(ConnectorSpec, hook)
    names = [name for name in inspect.signature(spec).parameters if name != "self"]

    def forward(*values: Any) -> Any:
        return ask(hook, dict(zip(names, values, strict=True)))

    forward.__wrapped__ = spec  # type: ignore[attr-defined]
    return forward


def _entry_points() -> list[tuple[Found, EntryPoint]]:
    found: dict[tuple[str, str, str], tuple[Found, EntryPoint]] = {}
    for distribution in distributions():
        for entry in _safe_entries(distribution):
            if entry.group not in (CONNECTORS, PLUGINS):
                continue
            name = distribution.metadata["Name"]
            plugin = Found(
                name=entry.name, distribution=name, version=distribution.version, group=entry.group, target=entry.value
            )
            # The same distribution can be on the path twice (an editable install beside a wheel): the first one wins,
            # as for imports.
            found.setdefault((entry.group, entry.name, name), (plugin, entry))
    return sorted(found.values(), key=lambda pair: (pair[0].group, pair[0].name, pair[0].distribution))


def _safe_entries(distribution: Distribution) -> Sequence[EntryPoint]:
    # Reading the file first skips building entry points of the many distributions that have none of ours: it is most of
    # the cost of finding plugins.
    try:
        text = distribution.read_text("entry_points.txt")
        return tuple(distribution.entry_points) if text and PROJECT in text else ()
    except Exception:  # noqa: BLE001  broken metadata of an unrelated package is not our business
        return ()
