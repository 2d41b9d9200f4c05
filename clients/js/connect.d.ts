// Types of connect.js: './index.js' without `serve` and what belongs to it.
export { Answer, connect, Failure, Hub, Output } from './index.js';
export type {
  Character, HowToAsk, HowToConnect, HowToReach, Io, Kind, Member, Message, Missed, Page, Place, Room, State, StateChange, Status, Unlisten, Waiting,
  WaitsFor, WithIo,
} from './index.js';
