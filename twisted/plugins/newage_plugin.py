"""Tells ``twistd`` about ``newage``; the module is only imported when somebody runs it."""

from twisted.application.service import ServiceMaker

newage = ServiceMaker("newage", "newage.tap", "A Socket.IO hub that opens SillyTavern to other clients", "newage")
