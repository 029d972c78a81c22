-- logged: the number of the last record of the intake log (FILE-intake) whose messages are in this database; log_of: by
-- which that file says that it is this database's. A program that doesn't know that file must not open a database beside
-- which one may lie.
INSERT INTO meta VALUES ('logged', 0), ('log_of', random());
