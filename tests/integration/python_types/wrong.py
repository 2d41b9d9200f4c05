"""How it must not be used: each line that mypy has to refuse ends with the code of its error."""

from newage_client import Answer, Hub, Task, connect, serve

connect("http://localhost:4000")  # call-arg
connect("http://localhost:4000", "me")  # call-arg


async def wrong(hub: Hub) -> None:
    for token in await hub.ask("Hello?"):  # attr-defined
        print(token)
    answer: Answer = hub.ask("Hello?")  # assignment
    print(answer.txt)  # attr-defined
    await hub.join(5)  # arg-type
    page = await hub.own.history()
    page["message"]  # typeddict-item
    hub.own.pages(before=5)  # call-arg


@serve("http://localhost:4000", client_id="SillyTavern-1").answer  # type-var
async def numbers(task: Task) -> int:
    return 5
