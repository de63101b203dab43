"""The closed list of SQLGlot node classes that a step may consist of. What is not here is refused."""

from __future__ import annotations

from sqlglot import exp

ALLOWED: frozenset[type[exp.Expr]] = frozenset(
    {
        # queries
        exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.Values, exp.With, exp.CTE, exp.From,
        exp.Join, exp.Lateral, exp.Table, exp.TableAlias, exp.Where, exp.Group, exp.Having, exp.Qualify, exp.Order,
        exp.Ordered, exp.Sort, exp.Cluster, exp.Distribute, exp.Limit, exp.Offset, exp.Distinct, exp.Cube, exp.Rollup,
        exp.GroupingSets, exp.Pivot, exp.PivotAlias, exp.UnpivotColumns, exp.TableSample, exp.Hint,
        # names and values
        exp.Column, exp.Identifier, exp.Alias, exp.Aliases, exp.Star, exp.Dot, exp.Var, exp.Literal, exp.Boolean,
        exp.Null, exp.HexString, exp.RawString, exp.Tuple, exp.Paren, exp.Bracket, exp.Slice, exp.PropertyEQ,
        exp.Interval, exp.IntervalSpan, exp.DataType, exp.DataTypeParam, exp.ColumnDef, exp.Collate,
        # expressions
        exp.And, exp.Or, exp.Not, exp.Neg, exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.GT, exp.GTE, exp.LT,
        exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.RegexpLike, exp.Escape, exp.Any, exp.All,
        exp.Exists, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.DPipe, exp.BitwiseAnd, exp.BitwiseOr,
        exp.BitwiseXor, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Case, exp.If, exp.Cast,
        exp.TryCast, exp.Extract, exp.Trim, exp.Substring, exp.StrPosition, exp.Overlay, exp.Lambda, exp.Transform,
        exp.Anonymous, exp.CurrentDate, exp.CurrentTimestamp, exp.Window, exp.WindowSpec, exp.Filter,
        exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Concat,
    }
) - {exp.Collate}  # fmt: skip

ONLY_SPARK: dict[type[exp.Expr], str] = {
    exp.Collate: "COLLATE",
}
"""Classes that Apache Spark takes and the embedded engine does not, in words."""

TABLE_ARGS = frozenset({"this", "alias", "joins", "laterals", "pivots", "sample"})
SELECT_ARGS = frozenset(
    {
        "with_", "expressions", "from_", "joins", "laterals", "where", "group", "having", "qualify", "windows",
        "order", "sort", "cluster", "distribute", "limit", "offset", "distinct", "hint", "pivots", "sample", "kind",
    }
) - {"kind"}  # fmt: skip

COSTLY: tuple[type[exp.Expr], ...] = (
    exp.Join, exp.Group, exp.Having, exp.Qualify, exp.Order, exp.Sort, exp.Distinct, exp.Window, exp.Lateral,
    exp.SetOperation, exp.Pivot, exp.RegexpLike,
)  # fmt: skip
"""What makes computing a view twice dearer than keeping it."""

TYPES = frozenset(
    {
        exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.FLOAT,
        exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.TEXT, exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.BINARY,
        exp.DType.VARBINARY, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ,
        exp.DType.TIMESTAMPNTZ, exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT, exp.DType.INTERVAL, exp.DType.NULL,
        exp.DType.DATETIME,
    }
)  # fmt: skip
