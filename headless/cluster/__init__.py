"""Many machines: pictures listed as a stream, dealt out in units by Ray Data, each unit done by the plain commands."""
