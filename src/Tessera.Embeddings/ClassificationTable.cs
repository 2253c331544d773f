using System.Globalization;
using nietras.SeparatedValues;
using Tessera.Imaging;

namespace Tessera.Embeddings;

/// <summary>A classifier's answers as a table in a file, <c>.csv</c> (RFC 4180).</summary>
public static class ClassificationTable
{
    /// <summary>
    /// Writes a row a picture: <c>picture</c>; <c>class</c>, <c>title</c> and <c>probability</c> of the likeliest class, with numbers behind (<c>class2</c>) of those that
    /// follow; <c>similarity</c>, empty where it is not known; and <c>looks_like_none</c>, true or false.
    /// </summary>
    /// <param name="file">Where; its folder exists.</param>
    /// <param name="answers">Each names as many classes.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string file, IReadOnlyList<Classification> answers)
    {
        ArgumentNullException.ThrowIfNull(answers);
        WholeFile.Naming(file, () => WholeFile.Write(file, stream =>
        {
            using var text = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
            using var csv = Sep.New(',').Writer(o => o with { Escape = true, CultureInfo = CultureInfo.InvariantCulture }).To(text, leaveOpen: true);
            foreach (var answer in answers)
            {
                using var row = csv.NewRow();
                row["picture"].Set(answer.Picture);
                for (var place = 1; place <= answer.Classes.Count; place++)
                {
                    var number = place == 1 ? "" : place.ToString(CultureInfo.InvariantCulture);
                    row["class" + number].Set(answer.Classes[place - 1].Name);
                    row["title" + number].Set(answer.Classes[place - 1].Title);
                    row["probability" + number].Format((float)answer.Classes[place - 1].Probability); // which it is: no digits that mean nothing
                }
                row["similarity"].Set(((float?)answer.Similarity)?.ToString(CultureInfo.InvariantCulture) ?? "");
                row["looks_like_none"].Set(answer.LooksLikeNone ? "true" : "false");
            }
        }));
    }
}
