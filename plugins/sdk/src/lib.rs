//! windlass-sdk.
