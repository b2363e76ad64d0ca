//! Agents of the Agent Client Protocol that nobody here wrote, behind the front and fetched from npm, with a model's API
//! on loopback: from a browser's call to the agent's files and back.

mod foreign;
