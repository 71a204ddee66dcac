from django.urls import path

from annotate.projects.api import views

urlpatterns = [
    path("me", views.MeView.as_view(), name="me"),
    path("projects", views.ProjectsView.as_view(), name="projects"),
    path("projects/<slug:slug>", views.ProjectDetailView.as_view(), name="project"),
    path("projects/<slug:slug>/members", views.MembersView.as_view(), name="members"),
    path("projects/<slug:slug>/members/<int:member_id>", views.MemberView.as_view(), name="member"),
    path("projects/<slug:slug>/members/<int:member_id>/pause", views.PauseView.as_view(), name="pause"),
    path("projects/<slug:slug>/labellers/<int:labeller_id>/exclusion", views.ExclusionView.as_view(), name="exclusion"),
    path(
        "projects/<slug:slug>/labellers/<int:labeller_id>/messages",
        views.LabellerMessagesView.as_view(),
        name="labeller-messages",
    ),
    path("projects/<slug:slug>/messages", views.MessagesView.as_view(), name="messages"),
    path("projects/<slug:slug>/messages/<int:message_id>/read", views.ReadMessageView.as_view(), name="read-message"),
    path("projects/<slug:slug>/audit", views.AuditView.as_view(), name="audit"),
    path("projects/<slug:slug>/audit/actions", views.AuditActionsView.as_view(), name="audit-actions"),
    path("projects/<slug:slug>/preferences", views.PreferencesView.as_view(), name="preferences"),
    path("projects/<slug:slug>/invitations", views.InvitationsView.as_view(), name="invitations"),
    path("projects/<slug:slug>/invitations/<int:invitation_id>", views.InvitationView.as_view(), name="invitation"),
    path("invitations/<str:token>", views.PublicInvitationView.as_view(), name="public-invitation"),
    path("invitations/<str:token>/accept", views.AcceptInvitationView.as_view(), name="accept-invitation"),
]
