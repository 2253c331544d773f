#:sdk Microsoft.NET.Sdk.Web
#:property PublishAot=false
#:project ../src/Tessera.Onnx/Tessera.Onnx.csproj

// A web service that finds the pictures of a folder that are most like one that is sent to it.
//
//     dotnet run search-api.cs -- --pictures pictures/ --urls http://localhost:5000
//     curl --data-binary @cat.jpg 'http://localhost:5000/search?count=3'

using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Onnx;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddTesseraEmbedder(); // the model that ships: one for all requests
var app = builder.Build();

if (app.Configuration["pictures"] is not { } folder || !Directory.Exists(folder))
{
    Console.Error.WriteLine("usage: search-api.cs --pictures FOLDER");
    return 2;
}
VectorIndex index;
try
{
    index = new VectorIndex(app.Services.GetRequiredService<ImageEmbedder>().Embed([.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)]));
}
catch (ImagingException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

// The body is the picture's file: JPEG, PNG, WebP, BMP or GIF. Kestrel refuses more than 30 MB, and the decoder a picture that declares too many pixels.
app.MapPost("/search", async (Stream body, ImageEmbedder embedder, CancellationToken cancellation, int count = 5) =>
{
    if (count is < 1 or > 100) return Results.Problem("count is from 1 to 100", statusCode: StatusCodes.Status400BadRequest);
    try
    {
        float[] vector = await embedder.EmbedAsync(body, "the picture sent", cancellation);
        var query = new VectorSet(new LabelledVectors(vector, vector.Length, [-1]), ["query"], []);
        return Results.Ok(index.Search(query, count)[0].Select(found => new { Name = Path.GetFileName(found.Name), found.Similarity }));
    }
    catch (BrokenImageException e)
    {
        return Results.Problem(e.Message, statusCode: StatusCodes.Status400BadRequest);
    }
});
await app.RunAsync();
return 0;
