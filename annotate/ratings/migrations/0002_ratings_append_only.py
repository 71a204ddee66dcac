"""Ratings are append-only, whatever code or person talks to the database.

A trigger refuses UPDATE and DELETE. Removing a whole project (the demo, say) is the one exception: its service says
`SET LOCAL touchstone.purge = 'on'` in the transaction that does it. Adding a trigger takes a short lock and rewrites
nothing, so this is safe on a table of any size.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION ratings_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('touchstone.purge', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'ratings are append-only: add a rating that supersedes this one' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ratings_append_only BEFORE UPDATE OR DELETE ON ratings_rating
    FOR EACH ROW EXECUTE FUNCTION ratings_refuse_change();
"""
BACKWARD = """
DROP TRIGGER ratings_append_only ON ratings_rating;
DROP FUNCTION ratings_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("ratings", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
