namespace Tessera.Imaging.Shapes;

internal enum Pattern
{
    Plain,
    Gradient,
    Stripes,
    Checks,
    Clouds,
}
