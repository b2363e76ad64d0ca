//! What happens to real browsers: networks that go and come, tabs that are frozen, hidden, reloaded and killed, storage
//! that is full or denied, clocks that jump; and what others were attacked by. Each scenario has a system in parts and a
//! browser of its own, and ends with a look into the server's log: nothing lost, nothing twice.

mod lab;
mod network;
