from django.urls import path

from annotate.accounts.api import views

urlpatterns = [
    path("tokens", views.TokensView.as_view(), name="tokens"),
    path("tokens/<int:token_id>", views.TokenView.as_view(), name="token"),
]
