"""Where the layers meet. Each interface says what it takes, what its Deferreds fire with, and how it fails.

zope interfaces for every role that crosses a layer; implementations are checked by mypy-zope and ``verifyObject``.
"""

from newage.ports.extensions import ICharacters, IChatCalls, IExtensionHost, IExtensionLink, IUpstream, Said
from newage.ports.listeners import (
    IAccountListener,
    IMessageListener,
    IRequestListener,
    IRoomListener,
    ISessionListener,
)
from newage.ports.sockets import IChannel, IClusterAdapter, IOutbox, ISocket
from newage.ports.stores import (
    IKeyStore,
    IMarkStore,
    IMessageStore,
    IOpenOutputStore,
    IRequestStore,
    IResidentStore,
    IRoomStore,
    ISpentStore,
    IStateStore,
    IWebhookStore,
)
from newage.ports.transports import IFrameSink, IPollingSink, IReceiver
from newage.ports.webhooks import IPoster
from newage.ports.workers import IWorkers

__all__ = [
    "IAccountListener",
    "IChannel",
    "ICharacters",
    "IChatCalls",
    "IClusterAdapter",
    "IExtensionHost",
    "IExtensionLink",
    "IFrameSink",
    "IKeyStore",
    "IMarkStore",
    "IMessageListener",
    "IMessageStore",
    "IOpenOutputStore",
    "IOutbox",
    "IPollingSink",
    "IPoster",
    "IReceiver",
    "IRequestListener",
    "IRequestStore",
    "IResidentStore",
    "IRoomListener",
    "IRoomStore",
    "ISessionListener",
    "ISocket",
    "ISpentStore",
    "IStateStore",
    "IUpstream",
    "IWebhookStore",
    "IWorkers",
    "Said",
]
