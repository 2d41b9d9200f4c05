"""Contract 13, scenarios 47-52 and amendments A9, A13: tokens from an extension to readers of every flavour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from answering import of_its_socket, on_both, on_both_for_each
from expect import is_response, of_request, statuses, wait_status
from harness import ALL_TRANSPORTS, WEBSOCKET, Daemon, Extension, Hub, Record, Socket, request
from people import is_status

# Twenty tokens as a model gives them: short ones leave empty chunks, emoji are cut between UTF-16 halves.
TOKENS = (
    *("Hi 😀", " there", ",", " 你", "好", " this", " is", " a", " longer delta than the others", " 👩‍👩‍👧"),
    *(" é", "\n", "\n", "#", " 🏳️‍🌈🏳️‍🌈🏳️‍🌈", " x", "y", "z", " the end", "."),
)
TEXT = "".join(TOKENS)
CHUNKS = tuple(f"chunk {n} 😀 " for n in range(12))
STREAM, ALIAS = "SERVER_STREAM_DATA", "streamed_data"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """For a machine that may stop for a second between the packets of one token: that it took long, does not end it."""
    with Daemon.configured(tmp_path_factory.mktemp("streams"), "[streams]\nstream_long_ms = 60000\n") as daemon:
        yield daemon


def check_library_stream(client: Socket, text: str, *, type_: str = STREAM, meta: dict[str, Any] | None = None) -> str:
    """One stream, its text identical, one end, no empty write, whole UTF-8 sequences; returns its id."""
    client.wait("@end")
    ((opened_type, stream_id, opened),) = (record.args for record in client.all("@stream"))
    assert opened_type == type_
    assert opened["source"] == "server"
    for key, value in (meta or {}).items():
        assert opened[key] == value, key
    ((ended_id, ended_text, _chunks),) = (record.args for record in client.all("@end"))
    assert (ended_id, ended_text) == (stream_id, text)
    written = [record.args for record in client.all("$stream-write", lambda written_id, *_: written_id == stream_id)]
    assert all(len(chunk) > 0 for _id, chunk, _encoding in written)
    whole = [chunk.decode("utf-8") if isinstance(chunk, bytes) else chunk for _id, chunk, _encoding in written]
    assert "".join(whole) == text
    assert all(len(chunk) <= 16384 for chunk in whole)
    assert {(type(chunk), encoding) for _id, chunk, encoding in written} <= {(bytes, "buffer"), (str, "utf8")}
    assert len(client.all("$stream-end", lambda ended: ended == stream_id)) == 1
    assert not client.all("$stream-error")
    return str(stream_id)


def check_plain_stream(client: Socket, text: str, request_id: str, names: tuple[str, str]) -> None:
    """Chunks with increasing index, then one end with the full text, under these two names."""
    end = client.payload(names[1], of_request(request_id))
    chunks = client.payloads(names[0], of_request(request_id))
    assert [chunk["chunkIndex"] for chunk in chunks] == list(range(len(chunks)))
    assert "".join(chunk["data"] for chunk in chunks) == text
    assert all(chunk["data"] for chunk in chunks)
    assert {(chunk["type"], chunk["source"], chunk["outputId"]) for chunk in chunks} == {(2, "server", end["outputId"])}
    assert (end["type"], end["data"], end["failed"], end["chunks"]) == (3, text, False, len(chunks))
    assert len(client.all(names[1], of_request(request_id))) == 1
    events = [r.event for r in client.records if r.event in names and r.first["requestId"] == request_id]
    assert events.index(names[1]) == len(events) - 1


def check_stored_once(hub: Hub, client: Socket, extension: Extension, request_id: str, text: str) -> None:
    """Exactly one response is shown, announced and remembered."""
    wait_status(client, request_id, "completed")
    client.fence()
    (shown,) = client.payloads("NEW_MESSAGE", is_response)
    assert (shown["text"], shown["requestId"], shown["message"]["streamed"]) == (text, request_id, True)
    (announced,) = client.payloads("LLM_RESPONSE")
    assert (announced["responseId"], announced["data"]) == (shown["responseId"], text)
    assert statuses(client, request_id).count("completed") == 1
    extension.answers("silent")
    client.call("LLM_REQUEST", request(f"{request_id}-next", extension.client_id, "next"))
    assert "\n".join(extension.context_of(f"{request_id}-next")) == f"hello\n{text}\nnext"


@on_both_for_each("transports", ALL_TRANSPORTS)
@pytest.mark.parametrize(("knows_request", "gap"), [(False, 15), (True, 0)], ids=["anonymous", "with-request-id"])
def test_scenario_47_twenty_tokens_arrive_as_one_stream(
    hub: Hub, transports: Sequence[str], knows_request: bool, gap: int
) -> None:
    asked_id = hub.new_id("r47")
    extension = hub.extension(kind="tokens", tokens=TOKENS, knowsRequest=knows_request, gap=gap)
    extension.start()
    me = hub.new_id()
    web = hub.client(me, transports=transports, streams=[STREAM])
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    meta = {"requestId": asked_id, "roomName": me, "clientId": extension.client_id, "identity": extension.client_id}
    if extension.packet(asked_id):
        meta["outputId"] = extension.wait("@output").first
    check_library_stream(web, TEXT, meta=meta)
    check_stored_once(hub, web, extension, asked_id, TEXT)
    assert not web.all(STREAM)  # A13: a library reader gets no plain chunks
    assert not web.all(ALIAS)


@on_both_for_each("transports", ALL_TRANSPORTS)
def test_scenario_48_the_browser_build_never_stalls(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r48")
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=10).start_quickly()
    web = hub.client(hub.new_id(), transports=transports, streams=[STREAM], library="browser")
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    check_library_stream(web, TEXT)


@on_both
def test_scenario_48_text_longer_than_one_read(hub: Hub) -> None:
    chunks = ["€uro 😀 " * 400 for _ in range(30)]
    extension = hub.extension(kind="docs", chunks=chunks).start_quickly()
    me = hub.new_id()
    readers = [hub.client(me, streams=[STREAM], library=library) for library in ("node", "browser")]
    readers[0].call("LLM_REQUEST", request("r48b", extension.client_id))
    for reader in readers:
        check_library_stream(reader, "".join(chunks))


@of_its_socket("the events that its docs name")
@pytest.mark.parametrize("prefix", ["CLIENT_", ""], ids=["constants", "documented-names"])
@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_49_a_docs_style_extension_and_reader(hub: Hub, transports: Sequence[str], prefix: str) -> None:
    asked_id = hub.new_id("r49")
    extension = hub.extension(kind="docs", chunks=CHUNKS, gap=5, prefix=prefix).start_quickly()
    web = hub.client(hub.new_id(), transports=transports, streams=[ALIAS])
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    check_library_stream(web, "".join(CHUNKS), type_=ALIAS, meta={"requestId": asked_id})
    stored = web.wait("LLM_RESPONSE")
    assert stored.at - extension.wait("@answered").at < 1900, "not stored at END but after the idle time, two seconds"
    check_stored_once(hub, web, extension, asked_id, "".join(CHUNKS))


@on_both_for_each("transports", ALL_TRANSPORTS)
def test_scenario_50_plain_listeners_get_chunks_and_an_end(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r50")
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=40).start_quickly()
    web = hub.client(hub.new_id(), transports=transports)
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    check_plain_stream(web, TEXT, asked_id, (STREAM, "SERVER_STREAM_END"))
    check_plain_stream(web, TEXT, asked_id, (ALIAS, "streamed_end"))
    check_stored_once(hub, web, extension, asked_id, TEXT)


def quickest_first_chunk(hub: Hub, web: Socket, extension: Extension) -> float:
    """Milliseconds from a question to its answer's first chunk, of some questions where others have the machine."""
    taken: list[float] = []
    while len(taken) < 5 and min(taken, default=300) >= 300:
        name = hub.new_id("quick")
        web.call("LLM_REQUEST", request(name, extension.client_id))
        begun = web.wait("REQUEST_STATUS_UPDATE", is_status(name, "forwarded")).at
        taken.append(web.wait(STREAM, of_request(name)).at - begun)
        wait_status(web, name, "completed")
    return min(taken)


@on_both
def test_amendment_13_a_form_is_complete_or_absent(hub: Hub) -> None:
    """An undeclared plain listener: both opens, never written to and ended; chunks from the start; probed only once."""
    extension = hub.extension(kind="docs", chunks=CHUNKS, gap=60).start_quickly()
    web = hub.client(hub.new_id())
    web.call("LLM_REQUEST", request("r13", extension.client_id))
    check_plain_stream(web, "".join(CHUNKS), "r13", (STREAM, "SERVER_STREAM_END"))
    opened = {record.args[1]["$stream"]: record.first for record in web.all("$stream")}
    assert sorted(opened.values()) == sorted([STREAM, ALIAS])
    assert not web.all("$stream-write")
    web.wait("$stream-end", count=2)
    assert {record.first for record in web.all("$stream-end")} == set(opened)
    web.wait("LLM_RESPONSE")
    assert quickest_first_chunk(hub, web, extension) < 300, "the flavour is known: no second wait of streamProbeMs"


@on_both
def test_amendment_13_a_late_first_read_gets_the_whole_text(hub: Hub) -> None:
    extension = hub.extension(kind="docs", chunks=CHUNKS, gap=100).start_quickly()
    web = hub.client(hub.new_id(), replies={"$stream-write": []})
    web.call("LLM_REQUEST", request("r13c", extension.client_id))
    web.wait(STREAM, count=3)  # plain by now
    stream_id = web.wait("$stream", lambda type_, *_: type_ == STREAM).args[1]["$stream"]
    for _ in range(50):
        mark = web.mark()

        def answers(records: list[Record], since: int = mark) -> list[Record]:
            return [record for record in records[since:] if record.event in ("$stream-write", "$stream-end")]

        web.emit("$stream-read", stream_id, 16384)
        answer = web.driver.wait(web.name, answers, 15, "an answer to its read")
        if any(record.event == "$stream-end" and record.first == stream_id for record in answer):
            break
    written = web.all("$stream-write", lambda written_id, *_: written_id == stream_id)
    pieces = [piece.decode() if isinstance(piece, bytes) else piece for piece in (r.args[1] for r in written)]
    assert "".join(pieces) == "".join(CHUNKS)


@on_both
def test_amendment_9_declared_ss_gets_the_library_form_only(hub: Hub) -> None:
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=5).start_quickly()
    web = hub.client(hub.new_id(), streams=[STREAM], auth={"streamMode": "ss"})
    web.call("LLM_REQUEST", request("r9", extension.client_id))
    check_library_stream(web, TEXT)
    web.wait("LLM_RESPONSE")
    web.fence()
    assert [record.first for record in web.all("$stream")] == [STREAM]
    for name in (STREAM, ALIAS, "streamed_end"):
        assert not web.all(name), name


@on_both_for_each("transports", ALL_TRANSPORTS)
def test_amendment_9_declared_plain_gets_canonical_events_only(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r9p")
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=5).start_quickly()
    web = hub.client(hub.new_id(), transports=transports, auth={"streamMode": "plain"})
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    check_plain_stream(web, TEXT, asked_id, (STREAM, "SERVER_STREAM_END"))
    web.wait("LLM_RESPONSE")
    assert quickest_first_chunk(hub, web, extension) < 300, "nothing to probe, nothing to wait for"
    web.fence()
    for name in ("$stream", ALIAS, "streamed_end"):
        assert not web.all(name), name


@on_both
def test_every_flavour_in_one_room_gets_the_same_text(hub: Hub) -> None:
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=10)
    extension.start()
    me = hub.new_id()
    library = [
        hub.client(me, transports=t, streams=[STREAM], library=b) for t in ALL_TRANSPORTS for b in ("node", "browser")
    ]
    aliased = hub.client(me, streams=[ALIAS])
    plain = [hub.client(me, transports=transports) for transports in ALL_TRANSPORTS]
    declared = hub.client(me, auth={"streamMode": "plain"})
    plain[0].call("LLM_REQUEST", request("r-all", extension.client_id))
    for reader in library:
        check_library_stream(reader, TEXT)
    check_library_stream(aliased, TEXT, type_=ALIAS)
    for reader in (*plain, declared):
        check_plain_stream(reader, TEXT, "r-all", (STREAM, "SERVER_STREAM_END"))


@of_its_socket("many outputs of one request")
def test_scenario_51_a_slow_receiver_is_cut_and_the_fast_one_unaffected(hub: Hub) -> None:
    extension = hub.extension(kind="silent", transports=WEBSOCKET).start_quickly()
    me = hub.new_id()
    how: dict[str, Any] = {"shorten": True}
    fast = hub.client(me, auth={"streamMode": "plain", "sync": "incremental"}, **how)
    stuck = hub.client(me, auth={"streamMode": "plain", "sync": "incremental"}, **how)
    hung = hub.client(me, auth={"streamMode": "ss", "sync": "incremental"}, streams=[STREAM], stall=True, **how)
    assert fast.call("LLM_REQUEST", request("r51", extension.client_id))["status"] == "ok"
    stuck.fence()
    hub.driver.do("pause", engine=stuck.engine.name)
    outputs, chunks = 25, 25
    for output in range(outputs):
        ids = {"streamId": f"{me}-s{output}", "outputId": f"{me}-o{output}", "requestId": "r51", "target": "server"}
        data = [
            ["CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": n, "data": f"{n:04}" + "x" * 4092}]
            for n in range(chunks)
        ]
        end = ["CLIENT_STREAM_END", {"type": 3, **ids, "final": True}]
        extension.llm.burst([["CLIENT_STREAM_START", {"type": 1, **ids}], *data, end])
        fast.wait("SERVER_STREAM_END", count=output + 1)
        arrived = fast.payloads(STREAM, lambda chunk, ids=ids: chunk["outputId"] == ids["outputId"])
        assert [chunk["chunkIndex"] for chunk in arrived] == list(range(len(arrived)))
        sizes = [c["data"]["$length"] if isinstance(c["data"], dict) else len(c["data"]) for c in arrived]
        assert sum(sizes) == chunks * 4096
    assert hung.wait("@stream-error").args[1] == "Stream buffer overflow."
    assert not hung.all("@disconnect")
    hub.driver.do("resume", engine=stuck.engine.name)
    assert stuck.wait("@disconnect").first in ("transport close", "transport error")
    assert len(stuck.all("SERVER_STREAM_END")) < outputs
    fast.fence()
    assert not fast.all("@disconnect")


@of_its_socket("tokens after its answer has ended")
def test_scenario_52_tokens_after_idle_finalisation_edit_the_response(hub: Hub) -> None:
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=5).start_quickly()
    web = hub.client(hub.new_id(), streams=[STREAM])
    web.call("LLM_REQUEST", request("r52", extension.client_id))
    stored = web.payload("NEW_MESSAGE", is_response)
    assert web.wait("@end").args[1] == TEXT
    output_id = extension.wait("@output").first
    late = (" And", " more", " 😀.")
    extension.stream(late, outputId=output_id, resumed=True)
    updated = web.payload("MESSAGE_UPDATED")
    assert updated["messageId"] == stored["messageId"]
    assert updated["message"]["responseId"] == stored["responseId"]
    assert updated["message"]["message"] == updated["message"]["data"] == TEXT + "".join(late)
    assert updated["seq"] > stored["seq"]
    second = web.wait("@end", count=2).args
    assert second[1].endswith("".join(late))
    assert web.wait("@stream", count=2).args[2]["outputId"] == output_id
    web.fence()
    assert len(web.payloads("NEW_MESSAGE", is_response)) == 1


@on_both
def test_two_streams_of_one_room_are_not_mixed(hub: Hub) -> None:
    one, two = (
        hub.extension(kind="docs", chunks=[f"{n}" * 3 for n in c], gap=10).start_quickly()
        for c in ("abcdefghij", "0123456789")
    )
    web = hub.client(hub.new_id(), streams=[STREAM])
    for extension in (one, two):
        assert web.call("LLM_REQUEST", request(f"mix-{extension.client_id}", extension.client_id))["status"] == "ok"
    web.wait("@end", count=2)
    texts = {record.args[1] for record in web.all("@end")}
    assert texts == {"".join(f"{n}" * 3 for n in c) for c in ("abcdefghij", "0123456789")}


def test_streams_from_clients_are_refused(hub: Hub) -> None:
    web = hub.client(hub.new_id())
    web.emit("$stream", "upload", {"$stream": "mine"}, {"name": "x"})
    assert web.wait("$stream-error").args == ["mine", "Streams from clients are not accepted."]
    assert web.call_all("$stream-write", "mine", b"data", "buffer") == ["invalid stream id: mine"]
    web.fence()


@on_both
@pytest.mark.parametrize("flavour", ["ss", "plain"])
def test_a_reader_that_comes_in_the_middle_gets_the_whole_text(hub: Hub, flavour: str) -> None:
    asked_id = hub.new_id("mid")
    extension = hub.extension(kind="silent").start_quickly()
    me = hub.new_id()
    first = hub.client(me, auth={"streamMode": "plain"})
    first.call("LLM_REQUEST", request(asked_id, extension.client_id))
    finish = extension.begin(asked_id, CHUNKS, 4)
    first.wait(STREAM, lambda chunk: chunk["data"].endswith(CHUNKS[3]))
    late = hub.client(me, streams=[STREAM] if flavour == "ss" else (), auth={"streamMode": flavour})
    finish()
    if flavour == "ss":
        assert late.wait("@end").args[1] == "".join(CHUNKS)
    else:
        end = late.payload("SERVER_STREAM_END")
        assert end["data"] == "".join(CHUNKS)
        assert "".join(chunk["data"] for chunk in late.payloads(STREAM)) == "".join(CHUNKS)
        indexes = [chunk["chunkIndex"] for chunk in late.payloads(STREAM)]
        assert indexes == sorted(set(indexes))
    first.wait("SERVER_STREAM_END")


@on_both_for_each("transports", ALL_TRANSPORTS)
def test_a_reader_that_leaves_in_the_middle_harms_nobody(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("leave")
    extension = hub.extension(kind="docs", chunks=CHUNKS, gap=30).start_quickly()
    me = hub.new_id()
    leaving = [hub.client(me, transports=transports, streams=streams) for streams in ((STREAM,), (ALIAS,), ())]
    staying = hub.client(me, streams=[STREAM])
    staying.call("LLM_REQUEST", request(asked_id, extension.client_id))
    staying.wait("@chunk")
    for socket in leaving:
        socket.close_engine()
    check_library_stream(staying, "".join(CHUNKS))


@of_its_socket("halves of characters in its packets")
def test_an_orphan_half_of_an_emoji_becomes_one_replacement(hub: Hub) -> None:
    """Contract C10: halves are joined across packets, an orphan is U+FFFD; nothing lone reaches anybody."""
    extension = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id(), auth={"streamMode": "plain"})
    assert web.call("LLM_REQUEST", request("orphan", extension.client_id, "half \ud83d of it \ude00"))["status"] == "ok"
    assert extension.llm.payload("LLM_REQUEST")["message"] == "half � of it �"
    ids = {"streamId": "s", "outputId": f"{web.name}-o", "requestId": "orphan", "target": "server"}
    pieces = ("a\ud83d", "", "\ude00b", "\ude00", "c\ud83d", "d", "e\ud83d")
    data = [["CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": n, "data": p}] for n, p in enumerate(pieces)]
    end = ["CLIENT_STREAM_END", {"type": 3, **ids, "final": True}]
    extension.llm.burst([["CLIENT_STREAM_START", {"type": 1, **ids}], *data, end])
    check_plain_stream(web, "a😀b�c�de�", "orphan", (STREAM, "SERVER_STREAM_END"))
    assert web.payload("NEW_MESSAGE", is_response)["text"] == "a😀b�c�de�"


@of_its_socket("indices of its chunks")
def test_resent_and_doubled_chunks_count_once(hub: Hub) -> None:
    """Contract 5.6: a doubled index is ignored, RETRY fills a gap, a gap is not waited for."""
    extension = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id(), auth={"streamMode": "plain"})
    web.call("LLM_REQUEST", request("retry", extension.client_id))
    ids = {"streamId": "s", "outputId": f"{web.name}-o", "target": "server"}
    sent = [
        ("FIRST", 0, "a"),
        ("MIDDLE", 0, "a"),
        ("MIDDLE", 1, "b"),
        ("MIDDLE", 3, "d"),
        ("RETRY", 1, "b"),
        ("RETRY", 2, "c"),
    ]
    data = [[f"CLIENT_STREAM_DATA_{kind}", {"type": 5, **ids, "chunkIndex": n, "data": text}] for kind, n, text in sent]
    end = ["CLIENT_STREAM_END", {"type": 3, **ids, "final": True}]
    extension.llm.burst([["CLIENT_STREAM_START", {"type": 1, **ids}]] * 2 + [*data, end])
    check_plain_stream(web, "abdc", "retry", (STREAM, "SERVER_STREAM_END"))


@of_its_socket("an event of its own")
def test_a_failed_chunk_fails_the_output(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id(), auth={"streamMode": "plain"})
    web.call("LLM_REQUEST", request("failed", extension.client_id))
    ids = {"streamId": "s", "outputId": f"{web.name}-o", "requestId": "failed", "target": "server"}
    extension.llm.burst(
        [
            ["CLIENT_STREAM_START", {"type": 1, **ids}],
            ["CLIENT_STREAM_DATA_FIRST", {"type": 4, **ids, "chunkIndex": 0, "data": "so far"}],
            ["CLIENT_STREAM_DATA_FAILED", {"type": 8, **ids, "chunkIndex": 1}],
        ]
    )
    end = web.payload("SERVER_STREAM_END")
    assert (end["failed"], end["data"]) == (True, "so far")
    wait_status(web, "failed", "failed")
    assert web.payload("ERROR")["requestId"] == "failed"
    stored = web.payload("NEW_MESSAGE", is_response)
    assert (stored["text"], stored["message"]["failed"]) == ("so far", True)
