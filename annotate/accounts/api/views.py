from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts import services
from annotate.accounts.api.serializers import NewTokenSerializer, TokenRequestSerializer, TokenSerializer
from annotate.accounts.requests import SignedInRequest


class TokensView(APIView):
    """The caller's own API tokens."""

    @extend_schema(operation_id="tokens_list", responses=TokenSerializer(many=True))
    def get(self, request: SignedInRequest) -> Response:
        return Response(TokenSerializer(request.user.api_tokens.order_by("-id"), many=True).data)

    @extend_schema(operation_id="tokens_create", request=TokenRequestSerializer, responses={201: NewTokenSerializer})
    def post(self, request: SignedInRequest) -> Response:
        body = TokenRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        token, clear = services.create_api_token(user=request.user, **body.validated_data)
        answer: dict[str, Any] = {**TokenSerializer(token).data, "token": clear}
        return Response(answer, status=201)


class TokenView(APIView):
    @extend_schema(operation_id="tokens_delete", responses={204: None})
    def delete(self, request: SignedInRequest, token_id: int) -> Response:
        get_object_or_404(request.user.api_tokens, pk=token_id).delete()
        return Response(status=204)
