namespace Tessera.Imaging.Shapes;

/// <summary>Signed distances to the outlines of the twelve classes: negative inside, in units of the shape's radius.</summary>
/// <remarks>
/// Distances to heart and polygon follow Inigo Quilez, "2D distance functions". Only exact operations are used: +, -, ·, /, √.
/// </remarks>
internal static class Outline
{
    private const double HalfRoot3 = 0.8660254037844386;

    private static readonly (double X, double Y)[] Triangle = [(0, -1.1), (1.1 * HalfRoot3, 0.55), (-1.1 * HalfRoot3, 0.55)];

    private static readonly (double X, double Y)[] Hexagon =
        [(1, 0), (0.5, HalfRoot3), (-0.5, HalfRoot3), (-1, 0), (-0.5, -HalfRoot3), (0.5, -HalfRoot3)];

    // Five points at radius 1.1, five notches at radius 0.46: cosines and sines of multiples of 36 degrees, written out.
    private static readonly (double X, double Y)[] Star =
    [
        (0, -1.1), (0.27038, -0.37215), (1.04616, -0.33992), (0.43749, 0.14215), (0.64656, 0.88992),
        (0, 0.46), (-0.64656, 0.88992), (-0.43749, 0.14215), (-1.04616, -0.33992), (-0.27038, -0.37215),
    ];

    private static readonly (double X, double Y)[] Arrow =
        [(1.1, 0), (0.2, 0.8), (0.2, 0.3), (-1, 0.3), (-1, -0.3), (0.2, -0.3), (0.2, -0.8)];

    /// <summary>By label, in ordinal order.</summary>
    public static readonly string[] Names =
        ["arrow", "circle", "clover", "crescent", "cross", "heart", "hexagon", "ring", "semicircle", "square", "star", "triangle"];

    public static double Distance(int label, double x, double y) => Names[label] switch
    {
        "arrow" => Polygon(Arrow, x, y),
        "circle" => Length(x, y) - 0.92,
        "clover" => Math.Min(Length(x, y + 0.56), Math.Min(Length(x - 0.485, y - 0.28), Length(x + 0.485, y - 0.28))) - 0.51,
        "crescent" => Math.Max(Length(x, y) - 0.98, 0.82 - Length(x - 0.48, y)),
        "cross" => Math.Min(Box(x, y, 0.98, 0.3), Box(x, y, 0.3, 0.98)),
        "heart" => Heart(x, y),
        "hexagon" => Polygon(Hexagon, x, y),
        "ring" => Math.Abs(Length(x, y) - 0.72) - 0.23,
        "semicircle" => Math.Max(Length(x, y - 0.45) - 1.02, y - 0.45),
        "square" => Box(x, y, 0.78, 0.78),
        "star" => Polygon(Star, x, y),
        "triangle" => Polygon(Triangle, x, y),
        var name => throw new InvalidOperationException($"There is no outline for {name}."),
    };

    private static double Length(double x, double y) => Math.Sqrt(x * x + y * y);

    private static double Box(double x, double y, double halfWidth, double halfHeight)
    {
        var (outX, outY) = (Math.Abs(x) - halfWidth, Math.Abs(y) - halfHeight);
        return Length(Math.Max(outX, 0), Math.Max(outY, 0)) + Math.Min(Math.Max(outX, outY), 0);
    }

    private static double Heart(double x, double y)
    {
        const double scale = 0.6;
        (x, y) = (Math.Abs(x) * scale, 0.55 - y * scale);
        if (x + y > 1)
            return (Length(x - 0.25, y - 0.75) - 0.3535533905932738) / scale;
        var foot = 0.5 * Math.Max(x + y, 0);
        var distance = Math.Min(Length(x, y - 1), Length(x - foot, y - foot));
        return (x < y ? -distance : distance) / scale;
    }

    private static double Polygon((double X, double Y)[] corners, double x, double y)
    {
        var nearest = double.MaxValue;
        var isInside = false;
        for (var (i, j) = (0, corners.Length - 1); i < corners.Length; j = i++)
        {
            var (edgeX, edgeY) = (corners[j].X - corners[i].X, corners[j].Y - corners[i].Y);
            var (fromX, fromY) = (x - corners[i].X, y - corners[i].Y);
            var along = Math.Clamp((fromX * edgeX + fromY * edgeY) / (edgeX * edgeX + edgeY * edgeY), 0, 1);
            var (missX, missY) = (fromX - edgeX * along, fromY - edgeY * along);
            nearest = Math.Min(nearest, missX * missX + missY * missY);
            if (corners[i].Y > y != corners[j].Y > y && x < corners[i].X + edgeX * (y - corners[i].Y) / edgeY)
                isInside = !isInside;
        }
        return isInside ? -Math.Sqrt(nearest) : Math.Sqrt(nearest);
    }
}
