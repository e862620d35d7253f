# SPDX-License-Identifier: BSL-1.0
# What Doxygen reads of a header: all but the versioned inline namespace, and of namespace detail
# only the classes from which public ones inherit members.
function drop() {
    gsub(/[^\n]/, "", block) # the lines that follow keep their numbers
    keep()
}
function keep() {
    printf "%s", block
    block = ""
    in_class = wanted = 0
}
BEGIN {
    bases = "^class (acquirer_proxy|array_handle|free_calls|lock_handle|pool_lifetime|proxy|" \
            "queue_handle|sequence_proxy) "
}
/^inline namespace v0 \{$/ || /^}  \/\/ namespace v0$/ { print ""; next }
/^namespace (detail|managed) \{$/ { drop(); print; in_detail++; next }
/^}  \/\/ namespace (detail|managed)$/ { drop(); print; in_detail--; next }
!in_detail { print; next }
/^}$/ && block ~ /^((struct|class) [a-z_]+;\n)+$/ { drop(); print; in_detail--; next }
# A class with the comment and the template line before it, or other lines up to an empty one.
{
    block = block $0 "\n"
    if (/^(class|struct|union|enum) .*[^;]$/)
        in_class = 1
    if ($0 ~ bases)
        wanted = 1
    if (in_class ? /^};/ : /^$/) {
        if (wanted)
            keep()
        else
            drop()
    }
}
