//! Both sides played by hand.
