"""The demo bank as a service: `flows/banks/demo/openapi.yaml` over HTTP, with its own ledger file and faults on demand.

    python -m kiosk.demo.bank --db bank.sqlite --port-file port [--fault authorise:timeout-after-commit]

It is a bank for one kiosk and its tests: whoever reaches its port may call it (or, with --client-ca, whoever holds a
certificate of that authority).
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import click
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kiosk.demo.bank_faults import Fault, Faulty, Lines
from kiosk.demo.bank_store import Answer, BankStore, Customer, problem
from kiosk.values import EXPONENTS, Money, OperatorError

#: who a new ledger knows: enough to meet every answer that a withdrawal can get
CUSTOMERS = (
    Customer(
        "grace",
        Money(800_000),
        daily_limit=Money(500_000),
        payees=(("son", "Li*Jun"), ("daughter", "Li*Mei"), ("landlord", "Wang*")),
        bills=(("electricity", 12_650), ("water", 4_380), ("gas", 0)),
        pension=(321_500, "2026-11-15"),
    ),
    Customer("alan", Money(5_000), daily_limit=Money(500_000)),
    Customer("edith", Money(300_000), daily_limit=Money(500_000), blocked=True),
)
MAX_BODY = 16_384
#: how long a call without an answer is kept waiting; longer than any kiosk waits
SILENCE_S = 60.0


class _Strict(BaseModel):
    """No coercion, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_Key = Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]


class _Amount(_Strict):
    minor: Annotated[int, Field(ge=1, le=10**12)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    def money(self) -> Money:
        return Money(self.minor, self.currency)


class _AuthorisationRequest(_Strict):
    customerId: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    amount: _Amount


class _CaptureRequest(_Strict):
    amount: _Amount


_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _TransferRequest(_Strict):
    customerId: _Id
    payeeId: _Id
    amount: _Amount


class _BillPaymentRequest(_Strict):
    customerId: _Id
    billId: _Id
    amount: _Amount


class _DepositRequest(_Strict):
    customerId: _Id
    amount: _Amount


class _ServiceRequest(_Strict):
    customerId: _Id
    service: Literal["passbook", "pin"]


class _ReversalRequest(_Strict):
    key: _Key


class _Header(_Strict):
    value: _Key


class _FaultsRequest(_Strict):
    faults: list[str]
    silence_s: Annotated[float, Field(gt=0, le=600)] = SILENCE_S


M = TypeVar("M", bound=_Strict)


class _Bad(Exception):
    """The request does not fit the document."""


_POSTED = {"/transfers": "transfer", "/bill-payments": "pay_bill", "/deposits": "deposit", "/requests": "request"}
_ASKED = {
    "balance": "balance",
    "payees": "find_payee",
    "bills": "bills",
    "statement": "statement",
    "pension": "pension",
}


def verb_of(method: str, path: str) -> str:
    """The kiosk verb that a request is, or an empty string."""
    if path == "/authorisations":
        return "authorise" if method == "POST" else "status"
    if path == "/reversals":
        return "reverse"
    if path in _POSTED or path == "/payments":
        return _POSTED.get(path, "status")
    if path.startswith("/customers/"):
        return _ASKED.get(path.split("/")[3] if path.count("/") > 2 else "", "")
    return path.rpartition("/")[2] if path.startswith("/authorisations/") else ""


def build_app(
    store: BankStore,
    *,
    faults: list[Fault] | None = None,
    allow_faults: bool = False,
    silence_s: float = SILENCE_S,
    now: Callable[[], float] = time.time,
) -> Faulty:
    """The service over `store`. `now` gives seconds since 1970; it decides the banking day and dates the entries."""

    async def authorise(request: Request) -> Answer:
        body = await _read(request, _AuthorisationRequest)
        return store.authorise(_key(request), body.customerId, _money(body.amount), now())

    async def capture(request: Request) -> Answer:
        body = await _read(request, _CaptureRequest)
        return store.capture(_key(request), request.path_params["id"], _money(body.amount), now())

    async def release(request: Request) -> Answer:
        return store.release(_key(request), request.path_params["id"], now())

    async def reverse(request: Request) -> Answer:
        body = await _read(request, _ReversalRequest)
        return store.reverse(_key(request), body.key, now())

    async def find(request: Request) -> Answer:
        return store.find(_checked(request.query_params.get("key"), "the query has no key"))

    async def balance(request: Request) -> Answer:
        return store.balance(request.path_params["id"])

    async def transfer(request: Request) -> Answer:
        body = await _read(request, _TransferRequest)
        return store.transfer(_key(request), body.customerId, body.payeeId, _money(body.amount), now())

    async def pay_bill(request: Request) -> Answer:
        body = await _read(request, _BillPaymentRequest)
        return store.pay_bill(_key(request), body.customerId, body.billId, _money(body.amount), now())

    async def deposit(request: Request) -> Answer:
        body = await _read(request, _DepositRequest)
        return store.deposit(_key(request), body.customerId, _money(body.amount), now())

    async def service_request(request: Request) -> Answer:
        body = await _read(request, _ServiceRequest)
        return store.request(_key(request), body.customerId, body.service)

    async def payment(request: Request) -> Answer:
        return store.payment(_checked(request.query_params.get("key"), "the query has no key"))

    async def payee(request: Request) -> Answer:
        return store.payee(request.path_params["id"], request.path_params["payee"])

    async def bill(request: Request) -> Answer:
        return store.bill(request.path_params["id"], request.path_params["bill"])

    async def pension(request: Request) -> Answer:
        return store.pension(request.path_params["id"])

    async def statement(request: Request) -> Answer:
        period = request.query_params.get("period", "recent")
        if period not in ("recent", "this-month", "last-month"):
            raise _Bad("period is recent, this-month or last-month")
        return store.statement(request.path_params["id"], period, now())

    async def set_faults(request: Request) -> Response:
        try:
            wanted = await _read(request, _FaultsRequest)
            service.set([Fault.parse(text) for text in wanted.faults])
        except (_Bad, OperatorError) as e:
            return JSONResponse({"code": "badRequest", "message": str(e)[:300]}, 400)
        service.silence_s = wanted.silence_s
        return Response(status_code=204)

    routes = [
        Route("/authorisations", _answering(authorise), methods=["POST"]),
        Route("/authorisations", _answering(find), methods=["GET"]),
        Route("/authorisations/{id}/capture", _answering(capture), methods=["POST"]),
        Route("/authorisations/{id}/release", _answering(release), methods=["POST"]),
        Route("/reversals", _answering(reverse), methods=["POST"]),
        Route("/customers/{id}/balance", _answering(balance), methods=["GET"]),
        Route("/customers/{id}/payees/{payee}", _answering(payee), methods=["GET"]),
        Route("/customers/{id}/bills/{bill}", _answering(bill), methods=["GET"]),
        Route("/customers/{id}/statement", _answering(statement), methods=["GET"]),
        Route("/customers/{id}/pension", _answering(pension), methods=["GET"]),
        Route("/transfers", _answering(transfer), methods=["POST"]),
        Route("/bill-payments", _answering(pay_bill), methods=["POST"]),
        Route("/deposits", _answering(deposit), methods=["POST"]),
        Route("/requests", _answering(service_request), methods=["POST"]),
        Route("/payments", _answering(payment), methods=["GET"]),
    ]
    if allow_faults:
        routes.append(Route("/_faults", set_faults, methods=["POST"]))
    service = Faulty(Starlette(routes=routes), verb_of, faults or [], silence_s)  # type: ignore[arg-type]
    return service


def _answering(handler: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn a handler's answer into HTTP, with the correlation id that came."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await handler(request)
        except _Bad as e:
            answer = problem(400, "badRequest", str(e)[:300])
        correlation = request.headers.get("x-correlation-id", "")
        return JSONResponse(answer.body, answer.status, {"X-Correlation-Id": correlation} if correlation else None)

    return endpoint


async def _read(request: Request, model: type[M]) -> M:
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BODY:
            raise _Bad(f"the body is larger than {MAX_BODY} bytes")
    try:
        return model.model_validate_json(data)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False, include_context=False)[0]
        raise _Bad(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from e


def _money(amount: _Amount) -> Money:
    if amount.currency not in EXPONENTS:
        raise _Bad(f"unknown currency {amount.currency}")
    return amount.money()


def _key(request: Request) -> str:
    return _checked(request.headers.get("idempotency-key"), "the request has no Idempotency-Key")


def _checked(value: str | None, absent: str) -> str:
    if value is None:
        raise _Bad(absent)
    try:
        return _Header(value=value).value
    except ValidationError as e:
        raise _Bad("a key is 1 to 128 visible ASCII characters") from e


def settings(app: Any, **more: Any) -> uvicorn.Config:
    """How the service is run: one process, quiet, and connections that faults can break."""
    return uvicorn.Config(
        app, http=Lines, ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=1, **more,
    )  # fmt: skip


@click.command()
@click.option(
    "--db", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The ledger file; made if absent."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--port-file", type=click.Path(path_type=Path, dir_okay=False), help="Write the port here once it is open."
)
@click.option("--fault", "faults", multiple=True, metavar="VERB:NAME[:COUNT]", help="What goes wrong; may be repeated.")
@click.option("--allow-faults", is_flag=True, help="Let POST /_faults set faults while it runs.")
@click.option(
    "--silence-s", type=click.FloatRange(0.01, 600), default=SILENCE_S, help="How long a time-out fault is silent."
)
@click.option("--tls-cert", type=click.Path(path_type=Path, dir_okay=False), help="Serve https with this certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path, dir_okay=False), help="Its key.")
@click.option("--client-ca", type=click.Path(path_type=Path, dir_okay=False), help="Serve only clients it vouches for.")
def command(
    db: Path,
    port: int,
    port_file: Path | None,
    faults: tuple[str, ...],
    allow_faults: bool,
    silence_s: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
) -> None:
    """The demo bank on 127.0.0.1."""
    wanted = [Fault.parse(text) for text in faults]
    tls: dict[str, Any] = {}
    if tls_cert or tls_key or client_ca:
        for name, file in (("--tls-cert", tls_cert), ("--tls-key", tls_key), ("--client-ca", client_ca)):
            if file is not None and not file.is_file():
                raise OperatorError("cannot be read", where=f"{name} {file}", remedy="Check the path.")
        if not (tls_cert and tls_key):
            raise OperatorError("https wants both --tls-cert and --tls-key", remedy="Name both, or none.")
        tls = {"ssl_certfile": str(tls_cert), "ssl_keyfile": str(tls_key)}
        if client_ca:
            tls |= {"ssl_ca_certs": str(client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.bind(("127.0.0.1", port))
    except OSError as e:
        raise OperatorError(
            f"port {port} cannot be opened: {e.strerror}", where="--port", remedy="Name another, or 0."
        ) from e
    store = BankStore(db, CUSTOMERS)
    app = build_app(store, faults=wanted, allow_faults=allow_faults, silence_s=silence_s)
    line.listen(16)
    chosen = line.getsockname()[1]
    if port_file is not None:
        part = port_file.with_name(port_file.name + ".part")
        part.write_text(f"{chosen}\n")
        part.replace(port_file)
    click.echo(chosen)
    try:
        uvicorn.Server(settings(app, **tls)).run(sockets=[line])
    finally:
        store.close()


def main() -> None:
    try:
        command()
    except OperatorError as e:
        click.echo(f"bank: {e}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
