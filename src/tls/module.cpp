#include <cstring>
#include <memory>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "wire/tls.h"

namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* thing) const
    {
        Free(thing);
    }
};
using Context = std::unique_ptr<SSL_CTX, Freed<::SSL_CTX_free>>;
using Bytes = std::unique_ptr<BIO, Freed<::BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<::X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<::EVP_PKEY_free>>;

Bytes bytes_of(std::string_view text)
{
    return Bytes(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is here to be asked for one.
int no_password(char*, int, int, void*)
{
    return -1;
}

Certificate next_certificate(BIO* file)
{
    return Certificate(::PEM_read_bio_X509(file, nullptr, no_password, nullptr));
}

const char* use_chain(SSL_CTX* context, std::string_view text)
{
    const Bytes file = bytes_of(text);
    const Certificate own = next_certificate(file.get());
    if (!own || ::SSL_CTX_use_certificate(context, own.get()) != 1) return "the file of the certificate holds none";
    while (const Certificate next = next_certificate(file.get()))
        if (::SSL_CTX_add1_chain_cert(context, next.get()) != 1) return "the chain of the certificate cannot be used";
    return nullptr;
}

const char* use_key(SSL_CTX* context, std::string_view text)
{
    const Bytes file = bytes_of(text);
    const Key key(::PEM_read_bio_PrivateKey(file.get(), nullptr, no_password, nullptr));
    if (!key) return "the file of the key holds none, or one with a password";
    if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1 || ::SSL_CTX_check_private_key(context) != 1) return "the key does not fit the certificate";
    return nullptr;
}

const char* demand_clients_of(SSL_CTX* context, std::string_view text)
{
    if (text.empty()) return nullptr;
    const Bytes file = bytes_of(text);
    int count = 0;
    for (Certificate next = next_certificate(file.get()); next; next = next_certificate(file.get()), ++count)
        if (::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), next.get()) != 1 || ::SSL_CTX_add_client_CA(context, next.get()) != 1)
            return "an authority of clients cannot be used";
    if (count == 0) return "the file of the clients' authorities holds none";
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return nullptr;
}

void* make_context(std::string_view certificates, std::string_view key, std::string_view authorities, char* error, std::size_t room)
{
    Context context(::SSL_CTX_new(::TLS_server_method()));
    const char* failed = "no memory";
    if (context) {
        ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
        ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
        ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
        failed = use_chain(context.get(), certificates);
        if (!failed) failed = use_key(context.get(), key);
        if (!failed) failed = demand_clients_of(context.get(), authorities);
    }
    ::ERR_clear_error();
    if (failed) {
        std::strncpy(error, failed, room - 1);
        return nullptr;
    }
    return context.release();
}

void free_context(void* context)
{
    ::SSL_CTX_free(static_cast<SSL_CTX*>(context));
}

bufferevent* accept(event_base* base, int socket, void* context)
{
    SSL* tls = ::SSL_new(static_cast<SSL_CTX*>(context));
    if (!tls) return nullptr;
    bufferevent* stream = ::bufferevent_openssl_socket_new(base, socket, tls, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!stream) {
        ::SSL_free(tls);
        return nullptr;
    }
    ::bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);  // clients that close without a word are normal
    return stream;
}

void finish(bufferevent* stream)
{
    SSL* tls = ::bufferevent_openssl_get_ssl(stream);
    if (tls && ::SSL_is_init_finished(tls)) ::SSL_shutdown(tls);
    ::ERR_clear_error();
}

constexpr xsv::wire::TlsModule kModule{make_context, free_context, accept, finish};

}  // namespace

/// What the library reads from files it reads now: later there are none.
extern "C" const xsv::wire::TlsModule* xsvd_tls_module()
{
    if (::OPENSSL_init_ssl(0, nullptr) != 1) return nullptr;
    const Context first(::SSL_CTX_new(::TLS_server_method()));
    return first ? &kModule : nullptr;
}
