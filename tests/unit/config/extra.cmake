# The shipped configurations are tested too; __FILE__ is relative where ccache makes it so.
target_compile_definitions(unit_config PRIVATE XSV_CONF_DIR="${PROJECT_SOURCE_DIR}/conf")
target_compile_definitions(unit_config PRIVATE XSV_CORPUS_DIR="${PROJECT_SOURCE_DIR}/tests/fuzz/corpus")
