//! The lite agent, request by request.
