CREATE TABLE nbship_records (
    id TEXT PRIMARY KEY, at BIGINT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    caller TEXT NOT NULL, mode TEXT NOT NULL, inputs TEXT, outputs TEXT, error TEXT, latency_ms DOUBLE PRECISION NOT NULL,
    keys TEXT, event_time BIGINT, event_zone TEXT, redacted TEXT NOT NULL, trace TEXT);
CREATE INDEX ON nbship_records (event_time);
CREATE INDEX ON nbship_records (keys);
CREATE INDEX ON nbship_records (at);
CREATE TABLE nbship_batches (
    number BIGSERIAL PRIMARY KEY, id TEXT NOT NULL, at BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL,
    model TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, caller TEXT NOT NULL, input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL, output_path TEXT NOT NULL, output_digest TEXT NOT NULL, rows BIGINT NOT NULL,
    rejected BIGINT NOT NULL, first_event BIGINT, last_event BIGINT);
CREATE INDEX ON nbship_batches (id);
CREATE TABLE nbship_labels (
    number BIGSERIAL PRIMARY KEY, label TEXT NOT NULL, at BIGINT NOT NULL, prediction_id TEXT, keys TEXT, time BIGINT);
CREATE TABLE nbship_meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
