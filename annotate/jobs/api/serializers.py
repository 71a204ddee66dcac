from rest_framework import serializers

from annotate.jobs.models import Job, JobLogLine


class ProgressSerializer(serializers.Serializer):
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    unit = serializers.CharField()
    message = serializers.CharField()
    fraction = serializers.FloatField(allow_null=True)


class JobErrorSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class JobSerializer(serializers.ModelSerializer):
    progress = ProgressSerializer(source="*", read_only=True)
    error = JobErrorSerializer(read_only=True, allow_null=True)
    is_cancelling = serializers.SerializerMethodField()
    can_cancel = serializers.BooleanField(read_only=True)
    can_retry = serializers.BooleanField(read_only=True)

    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "title",
            "state",
            "progress",
            "attempt",
            "created_at",
            "started_at",
            "finished_at",
            "error",
            "result",
            "is_cancelling",
            "can_cancel",
            "can_retry",
        ]

    def get_is_cancelling(self, job: Job) -> bool:
        return job.cancel_requested_at is not None and not job.is_finished


class JobLogLineSerializer(serializers.ModelSerializer):
    seq = serializers.IntegerField(source="id")

    class Meta:
        model = JobLogLine
        fields = ["seq", "at", "level", "message"]


class JobLogSerializer(serializers.Serializer):
    lines = JobLogLineSerializer(many=True)


class AfterSerializer(serializers.Serializer):
    after = serializers.IntegerField(min_value=0, default=0)
