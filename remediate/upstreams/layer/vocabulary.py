"""What Layer says of a QuickBooks connection, and how its calls fail: every published value.

Knows the published vocabulary and nothing else: no JSON, no HTTP client, no policy.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

import attrs

from remediate.decision import SYNC
from remediate.observation import (
    WITNESS,
    Matrix,
    Observation,
    OpenEnum,
    bucketed,
    is_bool,
    is_member,
    is_number,
    is_text,
    member,
)
from remediate.upstreams.calls import HttpBucket, Transport, bucket_of, is_http_status, is_refusal

__all__ = ["ApiFailure", "Call", "ConnectionStatus", "ErrorEnum", "ErrorType", "HttpBucket", "SyncFailureReason"]
__all__ += ["SyncStatus", "Transport", "moment"]


class SyncStatus(OpenEnum):
    """How the last sync ended."""

    SYNC_SUCCESS = "SYNC_SUCCESS"
    SYNC_FAILURE = "SYNC_FAILURE"


class SyncFailureReason(OpenEnum):
    """Why the last sync failed. The first eleven are QuickBooks', the last is Layer's own."""

    QUICKBOOKS_AUTHENTICATION_FAILURE = "QUICKBOOKS_AUTHENTICATION_FAILURE"
    QUICKBOOKS_AUTHORIZATION_FAILURE = "QUICKBOOKS_AUTHORIZATION_FAILURE"
    QUICKBOOKS_SERVICE_UNAVAILABLE = "QUICKBOOKS_SERVICE_UNAVAILABLE"
    QUICKBOOKS_INTERNAL_SERVER_ERROR = "QUICKBOOKS_INTERNAL_SERVER_ERROR"
    QUICKBOOKS_GENERAL_SERVICE_FAILURE = "QUICKBOOKS_GENERAL_SERVICE_FAILURE"
    QUICKBOOKS_VALIDATION_ERROR = "QUICKBOOKS_VALIDATION_ERROR"
    QUICKBOOKS_BAD_REQUEST = "QUICKBOOKS_BAD_REQUEST"
    QUICKBOOKS_INVALID_REQUEST_STATE = "QUICKBOOKS_INVALID_REQUEST_STATE"
    QUICKBOOKS_INVALID_CREDENTIALS = "QUICKBOOKS_INVALID_CREDENTIALS"
    QUICKBOOKS_CONFIGURATION_ERROR = "QUICKBOOKS_CONFIGURATION_ERROR"
    QUICKBOOKS_UNKNOWN_EXCEPTION = "QUICKBOOKS_UNKNOWN_EXCEPTION"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class ErrorType(OpenEnum):
    """The category of an API error."""

    RESOURCE_ARCHIVED = "ResourceArchived"
    AUTH_FAILURE = "AuthFailure"
    PLAID = "Plaid"
    STRIPE = "Stripe"
    INVALID_STATE = "InvalidState"
    RESOURCE_NOT_FOUND = "ResourceNotFound"
    INVALID_PARAMETERS = "InvalidParameters"
    JSON_SERIALIZATION = "JsonSerialization"
    UNKNOWN = "Unknown"
    BAD_REQUEST = "BadRequest"
    PAGINATION_CURSOR = "PaginationCursor"
    CONFLICT = "Conflict"
    LEDGER_OPERATION_FAILED = "LedgerOperationFailed"


class ErrorEnum(OpenEnum):
    """The stable identifier of an API error; Layer sends it with client errors alone."""

    ACCESS_CODE_INVALID = "AccessCodeInvalid"
    BALANCE_SHEET_DOES_NOT_BALANCE = "BalanceSheetDoesNotBalance"
    BALANCE_SHEET_MISSING_ACCOUNT = "BalanceSheetMissingAccount"
    BANK_STATEMENT_PARSER_ERROR = "BankStatementParserError"
    BILL_STATE_ERROR = "BillStateError"
    BULK_CATEGORIZE_FAILURE = "BulkCategorizeFailure"
    BULK_MATCH_FAILURE = "BulkMatchFailure"
    BUSINESS_TASK_ALREADY_COMPLETED = "BusinessTaskAlreadyCompleted"
    BUSINESS_TASK_DELETED = "BusinessTaskDeleted"
    CALENDLY_OAUTH_ERROR = "CalendlyOAuthError"
    CALL_BOOKING_ERROR = "CallBookingError"
    CANT_UPDATE_TRANSACTION_IN_CUSTOMER_PAYOUT = "CantUpdateTransactionInCustomerPayout"
    CANT_UPDATE_TRANSACTION_IN_VENDOR_PAYOUT = "CantUpdateTransactionInVendorPayout"
    CHECK_PAYROLL_CONFIG_NOT_FOUND = "CheckPayrollConfigNotFound"
    CHECK_PAYROLL_SERVICE_NOT_FOUND = "CheckPayrollServiceNotFound"
    CLERK_USER_ALREADY_EXISTS = "ClerkUserAlreadyExists"
    CONFLICTING_QUERY_PARAMS = "ConflictingQueryParams"
    CUSTOM_ACCOUNT_ALREADY_EXISTS = "CustomAccountAlreadyExists"
    CUSTOM_TRANSACTION_CSV_PARSING_ERROR = "CustomTransactionCsvParsingError"
    CUSTOM_TRANSACTION_UPLOAD_FAILURE = "CustomTransactionUploadFailure"
    CUSTOMER_PAYOUT_INPUT_FORMAT_ERROR = "CustomerPayoutInputFormatError"
    DOES_NOT_MATCH_EXISTING_ENTITY = "DoesNotMatchExistingEntity"
    EMPTY_BATCH_REQUEST = "EmptyBatchRequest"
    EXPENSE_PARSER_ERROR = "ExpenseParserError"
    EXTERNAL_ACCOUNT_BALANCE_RECONCILIATION_ERROR = "ExternalAccountBalanceReconciliationError"
    EXTERNAL_ID_CONFLICT = "ExternalIdConflict"
    INVALID_CATEGORY = "InvalidCategory"
    INVALID_EFFECTIVE_DATE = "InvalidEffectiveDate"
    INVALID_LEDGER_OPERATION = "InvalidLedgerOperation"
    INVALID_MONTHLY_AVERAGE_RANGE = "InvalidMonthlyAverageRange"
    INVALID_MULTI_PART_REQUEST = "InvalidMultiPartRequest"
    INVALID_PAGINATION_CURSOR = "InvalidPaginationCursor"
    INVALID_PAYLOAD = "InvalidPayload"
    INVOICE_DELETED = "InvoiceDeleted"
    INVOICE_NOT_FOUND = "InvoiceNotFound"
    INVOICE_REFERENCE_MISMATCH = "InvoiceReferenceMismatch"
    INVOICE_STATE_ERROR = "InvoiceStateError"
    MANUAL_RATE_LIMIT = "ManualRateLimit"
    MULTIPLE_TAG_KEY_FILTERS_UNSUPPORTED = "MultipleTagKeyFiltersUnsupported"
    NO_COGNITO_USER_FOUND = "NoCognitoUserFound"
    NO_OPENING_BALANCE_FOUND = "NoOpeningBalanceFound"
    NOT_YET_RECONCILED = "NotYetReconciled"
    ONE_PASSWORD_API_ERROR = "OnePasswordApiError"
    ONE_PASSWORD_ITEM_NOT_FOUND = "OnePasswordItemNotFound"
    ONE_PASSWORD_VAULT_NOT_FOUND = "OnePasswordVaultNotFound"
    OPENAI_CATEGORIZATION_ERROR = "OpenAICategorizationError"
    PAYMENT_LINK_INVALID = "PaymentLinkInvalid"
    PAYROLL_STATE_ERROR = "PayrollStateError"
    PERIOD_IS_CLOSED = "PeriodIsClosed"
    PERIOD_NOT_CLOSED = "PeriodNotClosed"
    PHONE_NUMBER_ALREADY_REGISTERED = "PhoneNumberAlreadyRegistered"
    PLAID_API_ERROR = "PlaidApiError"
    PLAID_CONNECTION_BROKEN = "PlaidConnectionBroken"
    PLAID_CREATE_LINK_TOKEN_ERROR = "PlaidCreateLinkTokenError"
    PLAID_CREDENTIALS_NOT_CONFIGURED = "PlaidCredentialsNotConfigured"
    PLAID_EXCHANGE_PUBLIC_TOKEN_ERROR = "PlaidExchangePublicTokenError"
    PLAID_GET_INSTITUTION_BY_ID_ERROR = "PlaidGetInstitutionByIdError"
    PLAID_GET_ITEM_ERROR = "PlaidGetItemError"
    PLAID_INVALID_ENVIRONMENT = "PlaidInvalidEnvironment"
    PLAID_ITEM_ALREADY_EXISTS = "PlaidItemAlreadyExists"
    PLAID_ITEM_NOT_FOUND = "PlaidItemNotFound"
    PLAID_PROCESSOR_API_ERROR = "PlaidProcessorApiError"
    PLAID_UNLINK_ITEM_ERROR = "PlaidUnlinkItemError"
    QUERY_PARAM_FORMAT = "QueryParamFormat"
    QUERY_PARAM_MISSING = "QueryParamMissing"
    QUICKBOOKS_BROKEN_CONNECTION = "QuickbooksBrokenConnection"
    QUICKBOOKS_CONNECTION_ALREADY_EXISTS = "QuickbooksConnectionAlreadyExists"
    QUICKBOOKS_CONNECTION_ALREADY_SYNCING = "QuickbooksConnectionAlreadySyncing"
    QUICKBOOKS_CONNECTION_MISSING = "QuickbooksConnectionMissing"
    QUICKBOOKS_CONNECTION_NOT_ACTIVATED = "QuickbooksConnectionNotActivated"
    QUICKBOOKS_INVALID_REQUEST = "QuickbooksInvalidRequest"
    QUICKBOOKS_INVALID_STATE = "QuickbooksInvalidState"
    QUICKBOOKS_NO_MATCHING_ACCOUNT = "QuickbooksNoMatchingAccount"
    QUICKBOOKS_NON_POSTING_ACCOUNT_TYPE = "QuickbooksNonPostingAccountType"
    QUICKBOOKS_NOT_CONFIGURED = "QuickbooksNotConfigured"
    QUICKBOOKS_OAUTH_CALLBACK_INVALID = "QuickbooksOAuthCallbackInvalid"
    QUICKBOOKS_OAUTH_ERROR = "QuickbooksOAuthError"
    QUICKBOOKS_TOKEN_EXPIRED = "QuickbooksTokenExpired"
    RESOURCE_ARCHIVED = "ResourceArchived"
    SCHEDULE_C_NOT_CONFIGURED = "ScheduleCNotConfigured"
    SMS_NOT_ENABLED = "SmsNotEnabled"
    SPECIFIED_BAD_REQUEST = "SpecifiedBadRequest"
    SPECIFIED_ID_NOT_FOUND = "SpecifiedIdNotFound"
    SPLIT_TRANSACTION_ERROR = "SplitTransactionError"
    STEP_EVALUATION_BAD_REQUEST = "StepEvaluationBadRequest"
    STRIPE_CONNECT_ACCOUNT_ID_NOT_FOUND = "StripeConnectAccountIdNotFound"
    STRIPE_CREDENTIALS_NOT_CONFIGURED = "StripeCredentialsNotConfigured"
    STRIPE_GET_BALANCE_FOR_CONNECT_ACCOUNT_FAILURE = "StripeGetBalanceForConnectAccountFailure"
    STRIPE_REDIRECT_OR_REFRESH_URL_NOT_CONFIGURED = "StripeRedirectOrRefreshUrlNotConfigured"
    TAG_FILTER_NOT_FOUND = "TagFilterNotFound"
    UNEXPECTED_QUERY_PARAM = "UnexpectedQueryParam"
    UNIT_ACCOUNTS_IN_USE = "UnitAccountsInUse"
    WRONG_ANSWER_TYPE = "WrongAnswerType"


class Call(StrEnum):
    """Which of Layer's calls was made."""

    STATUS = "status"
    SYNC = SYNC
    AUTHORIZE = "authorize"
    TOKEN = "token"


def _sync_status(value: SyncStatus | str | None) -> SyncStatus | None:
    return member(SyncStatus, value)


def _reason(value: SyncFailureReason | str | None) -> SyncFailureReason | None:
    return member(SyncFailureReason, value)


def _error_enum(value: ErrorEnum | str | None) -> ErrorEnum | None:
    return member(ErrorEnum, value)


def _error_type(value: ErrorType | str | None) -> ErrorType | None:
    return member(ErrorType, value)


def _call(value: Call | str | None) -> Call | None:
    return member(Call, value)


def _transport(value: Transport | str | None) -> Transport | None:
    return member(Transport, value)


def moment(at_s: float) -> str:
    """A time of seconds since the epoch as Layer writes it."""
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


@attrs.frozen(kw_only=True)
class ConnectionStatus(Observation):
    """The answer to the status call. Every field may be absent (None).

    Attributes:
        is_connected: whether QuickBooks is connected for the business.
        is_syncing: whether a sync is running.
        last_sync_status: how the last sync ended; a string becomes a member, an unpublished one an
            unrecognised member.
        sync_failure_reason: why it failed; strings as above.
        is_retryable_failure: whether Layer thinks that another sync may succeed.
        last_synced_at: when the last sync was, as it came; perhaps the last attempt, so beside a failure it
            is never read as a success. To a policy only its presence counts.
        retry_after_s: the Retry-After that came with it, seconds; negative, zero, NaN and infinite
            count as absent.

    Raises:
        InputError: a value is of another type.
    """

    kind: ClassVar[str] = "status"
    systems: ClassVar[tuple[str, ...]] = ("quickbooks",)
    matrices: ClassVar[tuple[Matrix, ...]] = (
        Matrix(
            title="Sync failed",
            rows="sync_failure_reason",
            columns="is_retryable_failure",
            given={"is_connected": "true", "is_syncing": "false", "last_sync_status": "SYNC_FAILURE"},
        ),
        Matrix(
            title="No failure reason",
            rows="last_sync_status",
            columns="is_connected",
            given={"is_syncing": "false", "sync_failure_reason": "absent", "is_retryable_failure": "absent"},
        ),
    )

    is_connected: bool | None = attrs.field(default=None, validator=is_bool)
    is_syncing: bool | None = attrs.field(default=None, validator=is_bool)
    last_sync_status: SyncStatus | None = attrs.field(
        default=None, converter=_sync_status, validator=is_member(SyncStatus)
    )
    sync_failure_reason: SyncFailureReason | None = attrs.field(
        default=None, converter=_reason, validator=is_member(SyncFailureReason)
    )
    is_retryable_failure: bool | None = attrs.field(default=None, validator=is_bool)
    last_synced_at: str | None = attrs.field(default=None, validator=is_text, metadata=WITNESS)
    retry_after_s: float | None = attrs.field(default=None, validator=is_number)

    @property
    def succeeded_s(self) -> float | None:
        """When the last sync was, where the status says that it succeeded: that is no reading of another's time."""
        if self.last_sync_status != SyncStatus.SYNC_SUCCESS or self.last_synced_at is None:
            return None
        try:
            at = datetime.fromisoformat(self.last_synced_at)
        except ValueError:
            return None
        return None if at.tzinfo is None else at.timestamp()

    @property
    def repeats(self) -> str:
        """A retry about a status triggers a sync."""
        return SYNC


@attrs.frozen(kw_only=True)
class ApiFailure(Observation):
    """Any other answer to one of Layer's calls, or none. Every field may be absent (None).

    Attributes:
        call: which call failed.
        error_enum: the error's identifier; a string becomes a member, an unpublished one an
            unrecognised member.
        type: the error's category; strings as above.
        http_status: the HTTP status, 100 to 599.
        transport: how the call failed without a readable answer.
        retry_after_s: the Retry-After that came with it, seconds; negative, zero, NaN and infinite
            count as absent.

    Raises:
        InputError: a value is of another type or out of range.
    """

    kind: ClassVar[str] = "failure"
    describes: ClassVar[bool] = False
    systems: ClassVar[tuple[str, ...]] = ("quickbooks", "plaid")
    matrices: ClassVar[tuple[Matrix, ...]] = (
        Matrix(title="Error identifier alone", rows="error_enum"),
        Matrix(title="Error category alone", rows="type"),
        Matrix(title="HTTP status alone", rows="http_status", columns="call"),
        Matrix(title="No readable answer", rows="transport", columns="call"),
    )

    call: Call | None = attrs.field(default=None, converter=_call, validator=is_member(Call))
    error_enum: ErrorEnum | None = attrs.field(default=None, converter=_error_enum, validator=is_member(ErrorEnum))
    type: ErrorType | None = attrs.field(default=None, converter=_error_type, validator=is_member(ErrorType))
    http_status: int | None = attrs.field(
        default=None, validator=is_http_status, metadata=bucketed(HttpBucket, bucket_of)
    )
    transport: Transport | None = attrs.field(default=None, converter=_transport, validator=is_member(Transport))
    retry_after_s: float | None = attrs.field(default=None, validator=is_number)

    @property
    def is_refusal(self) -> bool:
        """An HTTP status that upstream itself gave."""
        return is_refusal(self.http_status)

    @property
    def repeats(self) -> str:
        """A retry repeats the call that failed; the status call where it is not said."""
        return Call.STATUS if self.call is None else self.call
