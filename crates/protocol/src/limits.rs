//! Every bound of the protocol in one table, each with its unit and its reason.

/// Largest single event in bytes: a 250 KB file read is a 180 KB line, images are inlined twice.
pub const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting of JSON in one event: far above any real tool input, far below what a parser's stack takes.
pub const JSON_DEPTH_MAX: usize = 64;
/// Events in one uplink POST.
pub const POST_EVENTS_MAX: usize = 100;
/// Body bytes of one uplink POST: one event at its limit and as much again.
pub const POST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Events in one `events` frame: a frame costs a browser about 90 µs before its content.
pub const FRAME_EVENTS_MAX: usize = 256;
/// Content bytes in one `events` frame, unless a single event is larger.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Events sent to one socket and not yet acknowledged: the cursor pauses here.
pub const UNACKED_EVENTS_MAX: usize = 512;
/// Bytes sent to one socket and not yet acknowledged, unless a single event is larger.
pub const UNACKED_BYTES_MAX: usize = 1024 * 1024;
/// Events in one page of history.
pub const PAGE_EVENTS_MAX: usize = 1_000;
/// Events of one part of a log that a client holds to read in; twice as many at its end. Enough for an hour of work, and
/// folded in an instant.
pub const LOADED_EVENTS_MAX: usize = 2_000;
/// Bytes of the same: with many images it is fewer events.
pub const LOADED_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;
/// Events in the page a session opens with: more than a screen, and loaded in an instant.
pub const TAIL_EVENTS: usize = 200;
/// Events of that page on a line that takes too long for more.
pub const TAIL_EVENTS_MIN: usize = 10;
/// Events a client would still read one by one after a pause; above it loads the newest page.
pub const RESUME_GAP_EVENTS_MAX: u64 = 1_000;
/// Newest rows of which a client remembers what they said: all that one socket sends without being acknowledged, and
/// a page of history.
pub const RECENT_ROWS_MAX: usize = UNACKED_EVENTS_MAX + PAGE_EVENTS_MAX;
/// Requests that may wait in one session; the next is denied with the reason.
pub const PENDING_REQUESTS_MAX: usize = 256;
/// Requests a client keeps in view: all that may wait, and as many that were just decided.
pub const LEDGER_ENTRIES_MAX: usize = 2 * PENDING_REQUESTS_MAX;
/// Remembered uuids in an echo ring.
pub const UUID_RING_MAX: usize = 2_000;
/// Prompts one client keeps for one session while they cannot be delivered.
pub const OUTBOX_EVENTS_MAX: usize = 500;
/// Bytes of the same.
pub const OUTBOX_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Sockets of one device on one session.
pub const SOCKETS_PER_DEVICE_MAX: usize = 8;
/// Bytes of an id that ends up in a path, a query or an argument.
pub const ID_BYTES_MAX: usize = 64;
/// Bytes of an id that other programs mint (`request_id`, `uuid`, `message.id`, `tool_use.id`).
pub const FOREIGN_ID_BYTES_MAX: usize = 256;
/// Volatile events of one stream kept for whoever joins in the middle.
pub const STREAM_EVENTS_MAX: usize = 8_192;
/// Bytes of the same.
pub const STREAM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// First frame on a socket, in ms.
pub const AUTH_TIMEOUT_MS: u64 = 10_000;
/// The server says something at least this often, in ms.
pub const HEARTBEAT_MS: u64 = 10_000;
/// No frame for this long and a client gives the socket up, in ms: two heartbeats and a half.
pub const SILENCE_MS: u64 = 25_000;
/// A socket that was open when the tab woke up proves itself within this, in ms: one heartbeat and the way.
pub const WAKE_SILENCE_MS: u64 = 12_000;
/// Between two tries that a person or the browser asked for, in ms: events of a flapping line come by the dozen.
pub const WAKE_PAUSE_MS: u64 = 1_000;
/// After "too many requests", in ms, before what chance adds.
pub const TOO_MANY_PAUSE_MS: u64 = 5_000;
/// A restarting server may send its clients away for this long at most, in ms.
pub const GOAWAY_PAUSE_MAX_MS: u64 = 60_000;
/// Heartbeats that name a newer row than the client has, with no row between them, before it asks again.
pub const STALLED_BEATS: u32 = 3;
/// A POST unanswered for this long is shown as slow, in ms.
pub const POST_SLOW_MS: u64 = 5_000;
/// A POST unanswered for this long is taken as lost, in ms: it is said again, with the same bytes.
pub const POST_LOST_MS: u64 = 30_000;
/// A page unanswered for this long is taken as lost, in ms.
pub const FETCH_LOST_MS: u64 = 30_000;
/// Storage that says nothing for this long counts as denied, in ms: a prompt is not held back by a hanging database.
pub const KEEP_LOST_MS: u64 = 2_000;
/// A decision that the agent did not get within this is shown as late, in ms.
pub const DELIVERY_LATE_MS: u64 = 5_000;
/// A page loads itself anew at most this often, in ms.
pub const RELOAD_PAUSE_MS: u64 = 600_000;
/// Life of an access token, in s.
pub const ACCESS_TOKEN_TTL_S: u64 = 600;
/// Life of a pairing code, in s.
pub const PAIRING_CODE_TTL_S: u64 = 600;
/// Life of a challenge nonce, in s.
pub const CHALLENGE_TTL_S: u64 = 60;
/// Life of a session-ingress token, in s.
pub const WORKER_TOKEN_TTL_S: u64 = 600;
/// Life of a work lease without a heartbeat, in s.
pub const LEASE_TTL_S: u64 = 90;
/// A decision older than this is refused, in ms: nobody approves by a click from yesterday.
pub const DECISION_AGE_MAX_MS: u64 = 60_000;
/// Longest block of one work poll, in ms.
pub const POLL_BLOCK_MAX_MS: u64 = 30_000;
/// Text of one request shown for approval, in bytes; above it only *deny* is offered.
pub const APPROVAL_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Lines of a request shown before the middle folds.
pub const APPROVAL_FOLD_LINES: usize = 40;
/// Bytes of a request shown before the middle folds.
pub const APPROVAL_FOLD_BYTES: usize = 4 * 1024;
/// The approval panel arms this long after it last moved, in ms.
pub const ARM_DELAY_MS: u64 = 400;
/// Text of one message rendered at once, in bytes; the rest waits behind "show more".
pub const RENDER_TEXT_BYTES_MAX: usize = 200 * 1024;
/// Table cells rendered at once in one message.
pub const RENDER_TABLE_CELLS_MAX: usize = 2_000;
/// Depth of lists and quotes rendered in one message.
pub const RENDER_DEPTH_MAX: usize = 32;
/// Prompts in the log that no agent has started; the oldest moves among the items when another comes.
pub const QUEUE_PROMPTS_MAX: usize = 500;
/// Blocks previewed at once; further ones appear when they are sealed.
pub const PREVIEW_BLOCKS_MAX: usize = 256;
/// Bytes previewed at once, over all blocks; what is above appears when it is sealed.
pub const PREVIEW_BYTES_MAX: usize = EVENT_BYTES_MAX;
/// Messages being streamed that are remembered, so that a piece that comes late finds its block sealed.
pub const PREVIEW_MESSAGES_MAX: usize = 16;
/// Streams whose position is remembered: main thread and sub-agents, with room for the ones just ended.
pub const STREAMS_MAX: usize = 32;
/// Finished messages that are remembered, so that a line that repeats or extends one is merged into it.
pub const MERGED_MESSAGES_MAX: usize = 256;
/// Blocks of one of them, from its end, among which a repeated line is looked for.
pub const MERGED_BLOCKS_MAX: usize = 256;
/// Items a retracted line may lie back and still vanish; one further back is marked as taken back in its place, because
/// taking it out would move everything behind it.
pub const RETRACT_ITEMS_MAX: usize = 1_000;
/// Tasks that are bound to their tool calls at once.
pub const TASKS_MAX: usize = 256;
/// Entries of one list of what there is to do.
pub const TODO_ENTRIES_MAX: usize = 500;
/// Bytes of one text in it.
pub const TODO_TEXT_BYTES_MAX: usize = 1_024;
/// Sub-agents inside sub-agents that are followed.
pub const AGENT_DEPTH_MAX: usize = 16;
