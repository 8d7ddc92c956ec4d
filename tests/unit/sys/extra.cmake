add_dependencies(unit_sys probe hello)
target_link_libraries(unit_sys PRIVATE nlohmann_json::nlohmann_json)
target_compile_definitions(unit_sys PRIVATE XSV_PROBE="$<TARGET_FILE:probe>" XSV_HELLO="$<TARGET_FILE:hello>")
