-- Waits until a standby has read what is written by now.
DO $$
DECLARE
    here pg_lsn := pg_current_wal_lsn();
BEGIN
    FOR turn IN 1..600 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn >= here) THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RAISE EXCEPTION 'no standby follows';
END $$;
