//! Teams that come back.
