# The parsers of xsvd-web.
xsv_fuzz(http LINK xsv_web)
xsv_fuzz(xmlrpc LINK xsv_wire)
xsv_fuzz(json LINK xsv_wire)
