"""What is said, where, and who answers. Nothing here opens anything; ``life`` loads, starts and stops it.

The daemon, the ``newage`` command and the kits of the tests call the same functions: what differs between them (clock,
stores, workers, chance) is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from newage.assembly.accounts import Basis
from newage.assembly.chat import Chat, make_chat
from newage.assembly.webhooks import make_webhooks
from newage.domain.correlation import Desk
from newage.domain.model import RequestMode
from newage.ports import IOutbox, IPoster
from newage.services.events import MessageEvents, RequestEnds
from newage.services.history.earlier import EarlierMessages
from newage.services.history.editing import EditingService
from newage.services.history.log import HistoryService
from newage.services.history.missed import MissedService
from newage.services.history.pages import ContextPages
from newage.services.history.pushing import Pushing
from newage.services.history.selecting import Selecting
from newage.services.history.snapshots import Snapshots
from newage.services.requests.admission import Admission
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.held import HeldRequests
from newage.services.requests.intake import RequestService
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.lines import WaitingLines
from newage.services.requests.meter import RequestMeter
from newage.services.requests.notices import RequestNotices
from newage.services.requests.questions import Questions
from newage.services.requests.queue_news import QueueNews
from newage.services.requests.queues import HostQueues
from newage.services.requests.records import RequestRecords
from newage.services.requests.rerouting import Rerouting
from newage.services.requests.returns import Returns
from newage.services.requests.sending import Sender
from newage.services.requests.slots import Pacer
from newage.services.requests.standings import Standings
from newage.services.requests.stopping import Stopping
from newage.services.requests.taking import TakingService
from newage.services.requests.targets import Targets
from newage.services.requests.thinking import ThinkingService
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.bars import Bars
from newage.services.rooms.default_mode import DefaultMode
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.mutes import Mutes
from newage.services.rooms.notices import MuteNotices, RoomNotices
from newage.services.rooms.places import Places
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.residents import Residents
from newage.services.rooms.retention import RoomRetention
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.names import Names
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService
from newage.services.streams.answers import AnswerService
from newage.services.streams.cancelling import CancelService
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.first_tokens import FirstTokens
from newage.services.streams.lookouts import Lookouts
from newage.services.streams.open_outputs import OpenOutputs
from newage.services.streams.output_meter import OutputMeter
from newage.services.streams.own_outputs import OwnOutputs
from newage.services.streams.processing import ProcessingService
from newage.services.streams.recovering import Recovery
from newage.services.streams.resuming import ResumeService
from newage.services.streams.upstream import UpstreamService
from newage.services.webhooks.events import WebhookEvents


@frozen(kw_only=True)
class Talk:
    """What is said, where, and who answers."""

    rooms: RoomRegistry
    room_service: RoomService
    residents: Residents
    retention: RoomRetention
    places: Places
    rates: EventRates
    default_mode: DefaultMode
    mutes: Mutes
    bars: Bars
    moderation: ModerationService
    notices: RoomNotices
    assignments: AssignmentService
    message_events: MessageEvents
    webhooks: WebhookEvents
    history: HistoryService
    pages: ContextPages
    pushing: Pushing
    earlier: EarlierMessages
    selecting: Selecting
    snapshots: Snapshots
    activity: ActivityService
    desks: Desks
    pacer: Pacer
    request_ends: RequestEnds
    records: RequestRecords
    ledger: RequestLedger
    requests: RequestService
    request_meter: RequestMeter
    lines: WaitingLines
    news: QueueNews
    returns: Returns
    downstream: DownstreamService
    resuming: ResumeService
    standings: Standings
    open_outputs: OpenOutputs
    own_outputs: OwnOutputs
    output_meter: OutputMeter
    lookouts: Lookouts
    answers: AnswerService
    recovery: Recovery
    streams: UpstreamService
    first_tokens: FirstTokens
    processing: ProcessingService
    stopping: Stopping
    rerouting: Rerouting
    cancelling: CancelService
    taking: TakingService
    thinking: ThinkingService
    missed: MissedService
    editing: EditingService
    chat: Chat


def _nobody(client_id: str) -> bool:
    return False


def make_talk(
    basis: Basis,
    outbox: IOutbox,
    sessions: SessionService,
    names: Names,
    *,
    chance: Callable[[], float],
    choose: Callable[[Sequence[str]], str],
    has_key: Callable[[str], bool] = _nobody,
    is_bot: Callable[[str], bool] = _nobody,
    make_desk: Callable[[], Desk] = Desk,
    poster: IPoster | None = None,
) -> Talk:
    """
    :param chance: uniform in [0, 1). :param choose: picks one of a non-empty sequence.
    :param has_key: whether that client has one. :param is_bot: whether it has those of a bot alone.
    :param make_desk: what decides whose an answer of an extension is.
    :param poster: by what receivers outside are told; None: they are not.
    """
    config, live, world, stores = basis.config, basis.live, basis.world, basis.stores
    aliases = config.downstream.alias_events
    message_events, request_ends, own_outputs = MessageEvents(), RequestEnds(), OwnOutputs()
    lookouts = Lookouts()
    default_mode = DefaultMode(stores.state, RequestMode(config.rooms.default_room_message_request_mode))
    rooms = RoomRegistry(
        world=world,
        outbox=outbox,
        sessions=sessions,
        names=names,
        store=stores.rooms,
        default_mode=default_mode,
        settings=live.rooms,
    )
    residents = Residents(world, sessions, stores.residents, stores.state)
    webhooks = make_webhooks(basis, poster, residents.now, chance)
    retention = RoomRetention(
        world=world,
        sessions=sessions,
        rooms=rooms,
        residents=residents,
        trusted=names.is_of_client,
        settings=live.rooms,
    )
    places = Places(
        world=world,
        sessions=sessions,
        rooms=rooms,
        retention=retention,
        trusted=names.is_of_client,
        settings=live.rooms,
    )
    rates = EventRates(world, live.rates)
    room_service = RoomService(
        world=world,
        sessions=sessions,
        rooms=rooms,
        residents=residents,
        places=places,
        rates=rates,
        settings=live.rooms,
        has_key=has_key,
        is_bot=is_bot,
    )
    mutes = Mutes(world, rooms)
    bars = Bars(world, rooms)
    moderation = ModerationService(
        world=world, rooms=rooms, mutes=mutes, bars=bars, default_mode=default_mode, settings=live.rooms
    )
    notices = RoomNotices(outbox, sessions, aliases=aliases)
    assignments = AssignmentService(
        world=world,
        outbox=outbox,
        sessions=sessions,
        rooms=rooms,
        store=stores.state,
        settings=config.relations,
        choose=choose,
    )
    activity = ActivityService(
        world=world,
        outbox=outbox,
        sessions=sessions,
        rooms=rooms,
        assignments=assignments,
        rates=rates,
        settings=live.presence,
    )
    desks = Desks(world, sessions, live.requests, make_desk)
    pacer = Pacer(desks)
    forwarder = Forwarder(outbox, sessions, activity, pacer)
    stopping = Stopping(world=world, sessions=sessions, desks=desks, forwarder=forwarder, settings=live.requests)
    records = RequestRecords(world, stores.requests)
    queues, held = HostQueues(live.requests), HeldRequests()
    lines = WaitingLines(world=world, sessions=sessions, rooms=rooms, queues=queues, pacer=pacer, held=held)
    news = QueueNews(world=world, outbox=outbox, sessions=sessions, forwarder=forwarder, lines=lines)
    rerouting = Rerouting(
        assignments=assignments,
        activity=activity,
        desks=desks,
        forwarder=forwarder,
        stopping=stopping,
        records=records,
        news=news,
    )
    ledger = RequestLedger(world, desks, forwarder, live.requests, request_ends, stopping, rerouting)
    pushing = Pushing(world=world, outbox=outbox, rooms=rooms, answering=ledger.is_answering, settings=live.history)
    pages = ContextPages(
        world=world,
        outbox=outbox,
        sessions=sessions,
        rooms=rooms,
        store=stores.messages,
        pushing=pushing,
        settings=live.history,
    )
    snapshots = Snapshots(
        world=world,
        outbox=outbox,
        sessions=sessions,
        rooms=rooms,
        store=stores.messages,
        pushing=pushing,
        settings=live.history,
    )
    history = HistoryService(
        world=world,
        outbox=outbox,
        rooms=rooms,
        store=stores.messages,
        snapshots=snapshots,
        serving=assignments.assigned,
        listener=message_events,
        webhooks=webhooks,
        rates=rates,
        settings=live.history,
        aliases=aliases,
    )
    request_notices = RequestNotices(
        world=world,
        outbox=outbox,
        sessions=sessions,
        store=stores.requests,
        retention=lambda: live.rooms.value.offline_retention_seconds,
        settings=live.requests,
    )
    request_meter = RequestMeter()
    # What has failed is told before it is closed: a restart in between tells it once more, not never.
    for request_listener in (webhooks, records, request_notices, own_outputs, request_meter):
        request_ends.add(request_listener)
    sender = Sender(rooms, history, desks, forwarder, ledger, records)
    targets = Targets(sessions, assignments, forwarder)
    admission = Admission(
        world=world,
        sessions=sessions,
        rooms=rooms,
        targets=targets,
        history=history,
        questions=Questions(stores.messages),
        ledger=ledger,
        sender=sender,
        records=records,
        event_rates=rates,
        settings=live.requests,
    )
    requests = RequestService(
        world=world,
        rooms=rooms,
        targets=targets,
        admission=admission,
        ledger=ledger,
        sender=sender,
        desks=desks,
        records=records,
        notices=request_notices,
        lost=webhooks.request_lost,
        forwarder=forwarder,
        queues=queues,
        held=held,
        news=news,
        settings=live.requests,
    )
    returns = Returns(
        world=world,
        sessions=sessions,
        desks=desks,
        ledger=ledger,
        forwarder=forwarder,
        held=held,
        news=news,
        settings=live.requests,
    )
    downstream = DownstreamService(world, outbox, sessions, rooms.members_of, live.downstream)
    open_outputs = OpenOutputs(world, stores.open_outputs)
    answers = AnswerService(world, outbox, sessions, ledger, history, open_outputs, records, rooms.members_of)
    output_meter = OutputMeter(world, bool(config.metrics.listen_port))
    streams = UpstreamService(
        world, sessions, desks, ledger, answers, downstream, activity, live.streams, own_outputs, output_meter
    )
    thinking = ThinkingService(
        world=world,
        rooms=rooms,
        assignments=assignments,
        history=history,
        ledger=ledger,
        sessions=sessions,
        pacer=pacer,
        settings=live.conversation,
        chance=chance,
        choose=choose,
    )
    missed = MissedService(
        outbox=outbox,
        rooms=rooms,
        messages=stores.messages,
        store=stores.marks,
        pushing=pushing,
        shown=history.shown,
    )
    editing = EditingService(
        rooms=rooms,
        history=history,
        store=stores.messages,
        taken_back=requests.taken_back,
        overwritten=(streams.overwritten, downstream.overwritten),
        max_bytes=lambda: live.requests.value.max_request_bytes,
        rates=rates,
    )
    chat = make_chat(basis, outbox, sessions, rooms, assignments, history, editing, rates)
    for message_listener in (residents, activity):
        message_events.add(message_listener)
    # Rooms exist before anything is said of them; notices go out before system messages.
    for session_listener in (
        places,
        residents,
        retention,
        assignments,
        activity,
        downstream,
        desks,
        streams,
        returns,
        requests,
        request_notices,
        news,
        missed,
        pushing,
        snapshots,
        chat.links,
        chat.characters,
        chat.mirror,
        webhooks,
    ):
        sessions.add_listener(session_listener)
    for room_listener in (
        residents,
        retention,
        mutes,
        bars,
        notices,
        assignments,
        requests,
        MuteNotices(outbox, sessions),
        downstream,
        activity,
        missed,
        history,
        pages,
        snapshots,
        thinking,
        chat.links,
        lookouts,
    ):
        rooms.add_listener(room_listener)
    return Talk(
        rooms=rooms,
        room_service=room_service,
        residents=residents,
        retention=retention,
        places=places,
        rates=rates,
        default_mode=default_mode,
        mutes=mutes,
        bars=bars,
        moderation=moderation,
        notices=notices,
        assignments=assignments,
        message_events=message_events,
        webhooks=webhooks,
        history=history,
        pages=pages,
        pushing=pushing,
        earlier=EarlierMessages(rooms=rooms, store=stores.messages, pushing=pushing),
        selecting=Selecting(rooms=rooms, history=history, store=stores.messages),
        snapshots=snapshots,
        activity=activity,
        desks=desks,
        pacer=pacer,
        request_ends=request_ends,
        records=records,
        ledger=ledger,
        stopping=stopping,
        rerouting=rerouting,
        requests=requests,
        request_meter=request_meter,
        lines=lines,
        news=news,
        returns=returns,
        downstream=downstream,
        standings=Standings(ledger=ledger, lines=lines, settings=live.requests),
        resuming=ResumeService(rooms=rooms, downstream=downstream, messages=stores.messages, settings=live.downstream),
        open_outputs=open_outputs,
        own_outputs=own_outputs,
        output_meter=output_meter,
        lookouts=lookouts,
        answers=answers,
        recovery=Recovery(history, open_outputs),
        streams=streams,
        first_tokens=FirstTokens(world, streams),
        processing=ProcessingService(
            assignments=assignments, activity=activity, desks=desks, ledger=ledger, streams=streams
        ),
        cancelling=CancelService(
            rooms=rooms,
            ledger=ledger,
            queues=queues,
            sender=sender,
            records=records,
            streams=streams,
            answers=answers,
        ),
        taking=TakingService(
            world=world,
            sessions=sessions,
            activity=activity,
            desks=desks,
            ledger=ledger,
            forwarder=forwarder,
            records=records,
            news=news,
            settings=live.requests,
        ),
        thinking=thinking,
        missed=missed,
        editing=editing,
        chat=chat,
    )


async def load_talk(talk: Talk) -> None:
    """Read rooms and what belongs to them."""
    await talk.default_mode.load()
    await talk.rooms.load()
    await talk.residents.load()
    await talk.webhooks.load()
    talk.retention.load()
    await talk.missed.load()
    await talk.assignments.load()
    talk.mutes.load()
    talk.bars.load()
    await talk.recovery.recover()
    await talk.requests.load()


def close_talk(talk: Talk) -> None:
    """No timer of theirs is left."""
    for service in (
        talk.webhooks,
        talk.streams,
        talk.first_tokens,
        talk.open_outputs,
        talk.downstream,
        talk.requests,
        talk.news,
        talk.returns,
        talk.stopping,
        talk.taking,
        talk.thinking,
        talk.mutes,
        talk.bars,
        talk.activity,
        talk.history,
        talk.snapshots,
        talk.pages,
        talk.assignments,
        talk.retention,
        talk.residents,
    ):
        service.close()
