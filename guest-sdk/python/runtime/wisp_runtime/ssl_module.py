"""What the name `ssl` stands for here: enough of the interface that packages can be imported, and connections that end
in `https.HttpsStream`.

Certificates are checked by the host, always and with its own roots: what a context says about that changes nothing.
"""

import enum
import socket

OPENSSL_VERSION = "none (TLS is the host's)"
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
_DEFAULT_CIPHERS = ""
HAS_SNI = HAS_ALPN = HAS_TLSv1_2 = HAS_TLSv1_3 = HAS_NEVER_CHECK_COMMON_NAME = True
HAS_ECDH = HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = False
CHANNEL_BINDING_TYPES = []


class SSLError(OSError):
    """TLS failed, or was asked for what is not there."""

    library = reason = None


class SSLZeroReturnError(SSLError):
    pass


class SSLWantReadError(SSLError):
    pass


class SSLWantWriteError(SSLError):
    pass


class SSLSyscallError(SSLError):
    pass


class SSLEOFError(SSLError):
    pass


class SSLCertVerificationError(SSLError, ValueError):
    verify_code = 0
    verify_message = ""


CertificateError = SSLCertVerificationError


class VerifyMode(enum.IntEnum):
    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = VerifyMode


class TLSVersion(enum.IntEnum):
    MINIMUM_SUPPORTED = -2
    SSLv3 = 0x300
    TLSv1 = 0x301
    TLSv1_1 = 0x302
    TLSv1_2 = 0x303
    TLSv1_3 = 0x304
    MAXIMUM_SUPPORTED = -1


class VerifyFlags(enum.IntFlag):
    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF = 4
    VERIFY_CRL_CHECK_CHAIN = 12
    VERIFY_X509_STRICT = 32
    VERIFY_X509_TRUSTED_FIRST = 32768
    VERIFY_X509_PARTIAL_CHAIN = 524288


class Options(enum.IntFlag):
    OP_ALL = 0x80000050
    OP_NO_SSLv2 = 0
    OP_NO_SSLv3 = 1 << 25
    OP_NO_TLSv1 = 1 << 26
    OP_NO_TLSv1_2 = 1 << 27
    OP_NO_TLSv1_1 = 1 << 28
    OP_NO_TLSv1_3 = 1 << 29
    OP_NO_COMPRESSION = 1 << 17
    OP_NO_TICKET = 1 << 14
    OP_NO_RENEGOTIATION = 1 << 30
    OP_SINGLE_DH_USE = OP_SINGLE_ECDH_USE = OP_CIPHER_SERVER_PREFERENCE = OP_ENABLE_KTLS = OP_IGNORE_UNEXPECTED_EOF = 0


class _Protocol(enum.IntEnum):
    PROTOCOL_TLS = 2
    PROTOCOL_SSLv23 = 2
    PROTOCOL_TLS_CLIENT = 16
    PROTOCOL_TLS_SERVER = 17
    PROTOCOL_TLSv1 = 3
    PROTOCOL_TLSv1_1 = 4
    PROTOCOL_TLSv1_2 = 5


_SSLMethod = _Protocol
AlertDescription = SSLErrorNumber = enum.IntEnum("AlertDescription", {"ALERT_DESCRIPTION_CLOSE_NOTIFY": 0})
for _members in (VerifyFlags, Options, _Protocol):
    globals().update(_members.__members__)


class Purpose(enum.Enum):
    SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class SSLSession:
    pass


class SSLObject:
    """The interface only: there is no TLS over buffers."""


class SSLSocket(socket.socket):
    """The interface only: `SSLContext.wrap_socket` gives an HttpsStream."""


class MemoryBIO:
    """The interface only: there is no TLS over buffers."""


class SSLContext:
    """Takes settings as OpenSSL's does. They change nothing, but for those that cannot be ignored."""

    def __init__(self, protocol=None, *_):
        self.protocol = protocol
        self.verify_mode = VerifyMode.CERT_REQUIRED
        self.check_hostname = True
        self.options = Options.OP_ALL
        self.verify_flags = VerifyFlags.VERIFY_DEFAULT
        self.minimum_version = TLSVersion.TLSv1_2
        self.maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self.post_handshake_auth = None
        self.keylog_filename = None
        self.sni_callback = None
        self.hostname_checks_common_name = False
        self.sslsocket_class, self.sslobject_class = SSLSocket, SSLObject

    def wrap_socket(self, sock, server_side=False, do_handshake_on_connect=True, suppress_ragged_eofs=True,
                    server_hostname=None, session=None):
        from .https import HttpsStream

        if server_side:
            raise SSLError("functions do not listen")
        address = sock.getpeername()
        timeout = sock.gettimeout()
        sock.close()
        return HttpsStream(server_hostname or address[0], address[1], timeout)

    def wrap_bio(self, *_, **__):
        from .https import ONLY_HTTP

        raise SSLError(f"there is no TLS over buffers; {ONLY_HTTP}")

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        raise SSLError(f"{certfile}: the host makes TLS connections, with no client certificates")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        pass

    def load_default_certs(self, purpose=Purpose.SERVER_AUTH):
        pass

    def set_default_verify_paths(self):
        pass

    def set_ciphers(self, ciphers):
        pass

    def set_alpn_protocols(self, protocols):
        pass

    def set_ecdh_curve(self, name):
        pass

    def get_ca_certs(self, binary_form=False):
        return []

    def get_ciphers(self):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    return SSLContext(_Protocol.PROTOCOL_TLS_CLIENT)


def _create_unverified_context(*_, **__):
    return SSLContext(_Protocol.PROTOCOL_TLS_CLIENT)


_create_default_https_context = create_default_context


def wrap_socket(sock, *_, server_hostname=None, **__):
    return SSLContext().wrap_socket(sock, server_hostname=server_hostname)


class DefaultVerifyPaths:
    cafile = capath = None
    openssl_cafile_env, openssl_cafile = "SSL_CERT_FILE", ""
    openssl_capath_env, openssl_capath = "SSL_CERT_DIR", ""


def get_default_verify_paths():
    return DefaultVerifyPaths()


def match_hostname(cert, hostname):
    pass


def cert_time_to_seconds(cert_time):
    import calendar
    import time

    return calendar.timegm(time.strptime(cert_time, "%b %d %H:%M:%S %Y GMT"))


def DER_cert_to_PEM_cert(der):
    import base64

    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def PEM_cert_to_DER_cert(pem):
    import base64

    text = pem.strip().removeprefix("-----BEGIN CERTIFICATE-----").removesuffix("-----END CERTIFICATE-----")
    return base64.decodebytes(text.encode())


def RAND_bytes(count):
    import os

    return os.urandom(count)


def RAND_status():
    return True


def __getattr__(name):
    # Numbers of OpenSSL that packages mention and that mean nothing here.
    if name.startswith(("ALERT_", "SSL_ERROR_", "OP_", "VERIFY_", "PROTOCOL_")):
        return 0
    raise AttributeError(f"module 'ssl' has no attribute {name!r} in WebAssembly: TLS is the host's")
