from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class Organization(models.Model):
    """A company or household that customers belong to."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    external_id = models.CharField(
        _("external id"), max_length=200, unique=True, null=True, blank=True
    )
    segment = models.CharField(_("segment"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class CustomerQuerySet(models.QuerySet["Customer"]):
    def visible_to(self, user: AbstractBaseUser) -> Self:
        """Customers of the cases this user may see; all of them with the permission."""
        from cem_cases.models.cases import Case, sees_everything

        if sees_everything(user):
            return self
        return self.filter(pk__in=Case.objects.visible_to(user).values("customer_id"))


class Customer(models.Model):
    """A person who answers; anonymous where nothing but the answer is known."""

    external_id = models.CharField(  # noqa: DJ001  (empty ids must not be equal)
        _("external id"),
        max_length=200,
        null=True,
        blank=True,
        help_text=_("Their id in your own systems."),
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("phone"), max_length=200, blank=True)
    # indexed: the customers of an organization
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="customers",
        verbose_name=_("organization"),
    )
    segment = models.CharField(_("segment"), max_length=200, blank=True)
    annual_value = models.DecimalField(
        _("annual value"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    language = models.CharField(_("language"), max_length=200, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=200, blank=True)
    # indexed: emptied when the user is deleted
    account_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account owner"),
    )
    since = models.DateField(
        _("customer since"),
        null=True,
        blank=True,
        help_text=_("The day on which they became a customer of yours."),
    )
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    opted_out_at = models.DateTimeField(_("opted out at"), null=True, blank=True)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))
    # The host site's own record of this person, if it has one.
    host_type = models.ForeignKey(
        "contenttypes.ContentType",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # never looked up without host_id
        verbose_name=_("kind of host record"),
    )
    host_id = models.CharField(_("id of host record"), max_length=64, blank=True)
    host_record = GenericForeignKey("host_type", "host_id")

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = (
            # not `unique=True`: on PostgreSQL that makes a second index, for LIKE
            models.UniqueConstraint(
                fields=["external_id"], name="cem_customer_external_id"
            ),
            models.CheckConstraint(
                condition=Q(annual_value=None) | Q(annual_value__gte=0),
                name="cem_customer_value_positive",
            ),
            models.CheckConstraint(
                condition=Q(annual_value=None) | ~Q(currency=""),
                name="cem_customer_value_currency",
                violation_error_message=_("An annual value needs its currency."),
            ),
        )
        indexes = (
            # who answers from this address? (the channel identities are asked first)
            models.Index(
                Lower("email"), condition=~Q(email=""), name="cem_customer_email"
            ),
            # "Which customer is this record of mine?": host_type, host_id
            models.Index(
                fields=["host_type", "host_id"],
                condition=~Q(host_id=""),
                name="cem_customer_host",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.email or self.external_id or f"#{self.pk}"

    @property
    def not_mailed_because(self) -> str:
        """Return why nobody may write to them by e-mail; empty: we may."""
        if self.erased_at:
            return "erased"
        if self.opted_out_at:
            return "opted out"
        return "" if self.email else "no e-mail address"


class ChannelIdentity(models.Model):
    """An address by which a customer is known on one channel, normalised."""

    # indexed: a customer's identities
    customer = models.ForeignKey(
        Customer,
        models.CASCADE,
        related_name="identities",
        verbose_name=_("customer"),
    )
    channel = models.CharField(_("channel"), max_length=200)
    identifier = models.CharField(_("identifier"), max_length=254)

    class Meta:
        verbose_name = _("channel identity")
        verbose_name_plural = _("channel identities")
        constraints = (
            models.UniqueConstraint(
                fields=["channel", "identifier"], name="cem_identity_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.channel}: {self.identifier}"
