"""HTTP and WebSocket only: parse, call one service, return."""
