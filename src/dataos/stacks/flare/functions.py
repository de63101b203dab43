"""Which Spark SQL functions a step may call, and what is known about those it may not (sail-gaps in docs/limits.md).

Closed lists: a function that is on none of them is refused. Names are lower case.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, for long lists."""
    return frozenset(text.split())


AGGREGATES = words(
    """
    any any_value approx_count_distinct approx_percentile array_agg avg bit_and bit_or bit_xor bitmap_and_agg
    bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr count count_if count_min_sketch
    covar_pop covar_samp every first first_value grouping grouping_id histogram_numeric hll_sketch_agg hll_union_agg
    kurtosis last last_value listagg max max_by mean median min min_by mode percentile percentile_approx
    percentile_cont percentile_disc product regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
    regr_sxy regr_syy skewness some std stddev stddev_pop stddev_samp string_agg sum try_avg try_sum var_pop var_samp
    variance
    """
)
WINDOWS = words("cume_dist dense_rank lag lead nth_value ntile percent_rank rank row_number")
GENERATORS = words(
    """
    explode explode_outer inline inline_outer json_tuple posexplode posexplode_outer stack variant_explode
    variant_explode_outer
    """
)
TABLE_FUNCTIONS = words("explode explode_outer inline inline_outer posexplode posexplode_outer range sequence stack")
"""What may stand in FROM."""

VOLATILE = words("monotonically_increasing_id rand randn random randstr shuffle spark_partition_id uniform uuid")
"""Give another answer at each look: a step that calls one is computed once and kept."""

CLOCKS = words("current_date curdate current_timestamp localtimestamp now")

SCALARS = words(
    """
    abs acos acosh add_days add_months add_years aes_decrypt aes_encrypt aggregate array array_append array_compact
    array_contains array_distinct array_except array_insert array_intersect array_join array_max array_min
    array_position array_prepend array_remove array_repeat array_size array_sort array_union arrays_overlap arrays_zip
    ascii asin asinh assert_true atan atan2 atanh base64 bigint bin binary bit_count bit_get bit_length
    bitmap_bit_position bitmap_bucket_number bitmap_count boolean btrim cardinality cbrt ceil ceiling char char_length
    character_length chr coalesce concat concat_ws contains conv convert_timezone cos cosh cot crc32 csc
    current_timezone date date_add date_diff date_format date_from_unix_date date_part date_sub date_trunc dateadd
    datediff datepart day dayname dayofmonth dayofweek dayofyear decimal decode degrees div double e element_at elt
    encode endswith equal_null exists exp expm1 factorial filter find_in_set flatten float floor forall format_number
    format_string from_csv from_json from_unixtime from_utc_timestamp from_xml
    get get_json_object getbit greatest hash hex
    hll_sketch_estimate hll_union hour hypot if ifnull ilike initcap instr int is_valid_utf8 isnan isnotnull isnull
    json_array_length json_object_keys last_day lcase least left len length levenshtein like ln locate log log10 log1p
    log2 lower lpad ltrim luhn_check make_date make_dt_interval make_interval make_timestamp make_timestamp_ltz
    make_timestamp_ntz make_valid_utf8 make_ym_interval map map_concat map_contains_key map_entries map_filter
    map_from_arrays map_from_entries map_keys map_values mask md5 minute mod month monthname months_between
    named_struct nanvl negate negative next_day nullif nullifzero nvl nvl2 octet_length overlay parse_url pi pmod
    position positive pow power printf quarter quote radians raise_error reduce regexp regexp_count regexp_extract
    regexp_extract_all regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right rint rlike
    round rpad rtrim schema_of_csv schema_of_json sec second sentences sequence sha sha1 sha2 shiftleft shiftright
    shiftrightunsigned sign signum sin sinh size slice smallint sort_array soundex space split split_part sqrt
    startswith str_to_map string strpos struct substr substring substring_index tan tanh timestamp timestamp_add
    timestamp_diff timestamp_micros timestamp_millis timestamp_seconds timestampadd timestampdiff tinyint to_binary
    to_char to_csv to_date to_json to_number to_timestamp to_timestamp_ltz to_timestamp_ntz to_unix_timestamp
    to_utc_timestamp to_varchar to_xml transform translate trim trunc try_add try_aes_decrypt try_aes_encrypt try_divide
    try_element_at try_mod try_multiply try_parse_url try_subtract try_to_binary try_to_date try_to_number
    try_to_timestamp try_url_decode typeof ucase unbase64 unhex unix_date unix_micros unix_millis unix_seconds
    unix_timestamp upper url_decode url_encode weekday weekofyear when width_bucket window window_time
    xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string xxhash64
    year zeroifnull
    """
)

ALLOWED = AGGREGATES | WINDOWS | GENERATORS | SCALARS | VOLATILE | CLOCKS

REACHES_OUT = words(
    """
    call_function call_udf input_file_block_length input_file_block_start input_file_name java_method read_files
    reflect try_reflect udf pandas_udf unwrap_udt current_catalog current_database current_schema current_user
    session_user user version identifier from_avro from_protobuf schema_of_avro
    """
)
"""Name files, code, or the engine's own state."""

NEEDS_SPARK = words(
    """
    approx_top_k approx_top_k_accumulate approx_top_k_combine approx_top_k_estimate bround collate collation
    kll_sketch_agg_bigint kll_sketch_agg_double kll_sketch_agg_float map_zip_with schema_of_xml session_window
    transform_keys transform_values try_make_interval zip_with
    """
)
"""What Apache Spark has and the embedded engine lacks, or (`bround`, of decimals) computes wrongly."""

INSTEAD = {
    "bround": "use `round`",
    "input_file_name": "declare one input for each file that must be told apart",
    "transform_values": "use map_from_arrays(map_keys(m), transform(map_values(m), v -> ...))",
    "transform_keys": "use map_from_arrays(transform(map_keys(m), k -> ...), map_values(m))",
    "zip_with": "use transform(arrays_zip(a, b), z -> ...)",
    "session_window": "compute the gap with lag() and sum() over a window",
}
