"""labelmill: contracts (events, topics, projects, label kinds) and the runtime the services share."""
