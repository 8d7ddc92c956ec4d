"""Calls a method through the XML-RPC library of C and prints its answer as JSON. Usage: call_from_c.py URL METHOD [STRING…]"""

import ctypes
import sys


class Environment(ctypes.Structure):   # xmlrpc_env
    _fields_ = [("fault_occurred", ctypes.c_int), ("fault_code", ctypes.c_int), ("fault_string", ctypes.c_char_p)]


def load(name):
    library = ctypes.CDLL(name)
    for function in ("xmlrpc_client_call", "xmlrpc_mem_block_new", "xmlrpc_mem_block_contents"):
        if hasattr(library, function):
            getattr(library, function).restype = ctypes.c_void_p
    return library


def main():
    url, method, *strings = (word.encode() for word in sys.argv[1:])
    util, core, client = (load(f"libxmlrpc{part}.so.3") for part in ("_util", "", "_client"))
    env = Environment()
    util.xmlrpc_env_init(ctypes.byref(env))

    def checked(result):
        if env.fault_occurred:
            print(f"fault {env.fault_code}: {env.fault_string.decode()}")
            sys.exit(1)
        return result

    client.xmlrpc_client_init2(ctypes.byref(env), 0, b"call_from_c", b"1", None, 0)
    form = b"(" + len(strings) * b"s" + b")"
    value = checked(client.xmlrpc_client_call(ctypes.byref(env), url, method, form, *strings))
    block = checked(util.xmlrpc_mem_block_new(ctypes.byref(env), ctypes.c_size_t(0)))
    checked(core.xmlrpc_serialize_json(ctypes.byref(env), ctypes.c_void_p(value), ctypes.c_void_p(block)))
    size = util.xmlrpc_mem_block_size(ctypes.c_void_p(block))
    print(ctypes.string_at(util.xmlrpc_mem_block_contents(ctypes.c_void_p(block)), size).decode())


if __name__ == "__main__":
    main()
