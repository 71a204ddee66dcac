"""Answers are append-only, as the ratings that follow from them are (see ratings, 0002)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION ranking_answers_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('touchstone.purge', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'answers to rankings are append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ranking_answers_append_only BEFORE UPDATE OR DELETE ON rankings_rankinganswer
    FOR EACH ROW EXECUTE FUNCTION ranking_answers_refuse_change();
"""
BACKWARD = """
DROP TRIGGER ranking_answers_append_only ON rankings_rankinganswer;
DROP FUNCTION ranking_answers_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("rankings", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
