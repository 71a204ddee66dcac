"""What is published of a constitution stays as it is, whatever code or person talks to the database.

Triggers refuse to change a published version and to add to or change its principles. Both go with their project.
Adding a trigger takes a short lock and rewrites nothing.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION constitutions_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published constitution stays as it is: write its next version'
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER constitution_versions_published_stay BEFORE UPDATE ON judges_constitutionversion
    FOR EACH ROW
    WHEN (OLD.published_at IS NOT NULL AND (OLD.number, OLD.note, OLD.published_at, OLD.constitution_id)
        IS DISTINCT FROM (NEW.number, NEW.note, NEW.published_at, NEW.constitution_id))
    EXECUTE FUNCTION constitutions_refuse_change();
CREATE FUNCTION principles_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM judges_constitutionversion
            WHERE id IN (NEW.version_id, OLD.version_id) AND published_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a published constitution stays as it is: write its next version'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER principles_published_stay BEFORE INSERT OR UPDATE ON judges_principle
    FOR EACH ROW EXECUTE FUNCTION principles_refuse_change();
"""
BACKWARD = """
DROP TRIGGER principles_published_stay ON judges_principle;
DROP FUNCTION principles_refuse_change();
DROP TRIGGER constitution_versions_published_stay ON judges_constitutionversion;
DROP FUNCTION constitutions_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("judges", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
