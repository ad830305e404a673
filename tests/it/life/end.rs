//! Ends of agents, and what follows.
